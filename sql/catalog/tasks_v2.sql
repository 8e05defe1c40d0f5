-- catalog/tasks_v2: the tasks of a v2.0 or v2.1 dataset
-- reads:  json
-- params: $src_dataset, $file
-- gives:  src_dataset VARCHAR, src_task BIGINT, task VARCHAR, row_number BIGINT
select $src_dataset as src_dataset,
       task_index as src_task,
       task,
       row_number() over () - 1 as row_number
from read_json($file, format = 'newline_delimited', columns = {task_index: 'BIGINT', task: 'VARCHAR'})
order by row_number
