-- layout/all_task_maps: every source task's number in every output that uses it
-- reads:  task_map
-- params:
-- gives:  out_dataset VARCHAR, src_dataset VARCHAR, src_episode BIGINT, src_task BIGINT, task_index BIGINT
select out_dataset, src_dataset, src_episode, src_task, task_index
from task_map
order by out_dataset, src_dataset, src_episode nulls first, src_task
