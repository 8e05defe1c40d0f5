-- catalog/subtasks: the subtasks of a dataset, as LeRobot 0.4.4 to 0.5.1 recorded them
-- reads:  parquet
-- params: $src_dataset, $file
-- gives:  src_dataset VARCHAR, src_subtask BIGINT, subtask VARCHAR
select $src_dataset as src_dataset,
       subtask_index::bigint as src_subtask,
       {{ subtask_column | ident }}::varchar as subtask
from read_parquet($file, hive_partitioning = false)
order by src_subtask
