-- layout/output_tasks: the tasks of one output; row i is task i, readers go by position
-- reads:  out_tasks
-- params: $out_dataset
-- gives:  task_index BIGINT, task VARCHAR
select task_index, task
from out_tasks
where out_dataset = $out_dataset
order by task_index
