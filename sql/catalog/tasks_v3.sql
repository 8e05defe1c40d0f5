-- catalog/tasks_v3: the tasks of v3.0 datasets; the string's column is "task", or pandas' unnamed index
-- Of many datasets at once: $src_datasets are those that $files belong to; $globs match each file once.
-- reads:  parquet
-- params: $globs, $files, $src_datasets
-- gives:  src_dataset VARCHAR, src_task BIGINT, task VARCHAR, row_number BIGINT
with owners as (
    select unnest($files) as tasks_file,
           unnest($src_datasets) as src_dataset,
           unnest(range(len($files))) as position
),
listed as (
    select task_index::bigint as src_task,
           {{ task_column | ident }}::varchar as task,
           filename as tasks_file,
           file_row_number as row_number
    from read_parquet($globs, hive_partitioning = false)
)
select o.src_dataset, l.src_task, l.task, l.row_number
from listed l
join owners o using (tasks_file)
order by o.position, l.row_number
