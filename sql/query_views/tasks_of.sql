-- query_views/tasks_of: the tasks of one source that have a number
-- reads:  tasks
-- params: $src_dataset
-- gives:  src_task BIGINT, task VARCHAR
select src_task, task
from tasks
where src_dataset = $src_dataset and src_task >= 0
order by src_task
