-- query_views/tasks: the tasks of each source, by the number they have there
-- reads:  datasets, tasks
-- params:
-- gives:  src_dataset VARCHAR, src_task BIGINT, task VARCHAR
select t.src_dataset, t.src_task, t.task
from tasks t
join datasets d using (src_dataset)
order by d.src_position, t.src_task
