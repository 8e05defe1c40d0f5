-- catalog/tasks_v3: the tasks of a v3.0 dataset; the string's column is "task", or pandas' unnamed index
-- reads:  parquet
-- params: $src_dataset, $file
-- gives:  src_dataset VARCHAR, src_task BIGINT, task VARCHAR, row_number BIGINT
select $src_dataset as src_dataset,
       task_index::bigint as src_task,
       {{ task_column | ident }}::varchar as task,
       row_number() over () - 1 as row_number
from read_parquet($file, hive_partitioning = false)
order by row_number
