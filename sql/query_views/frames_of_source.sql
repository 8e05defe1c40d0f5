-- query_views/frames_of_source: every frame of one source in order, with its task; for users to query
-- The task is looked up by position in a list: a join would lose the order of the frames.
-- A column is turned into text where the sources disagree on what it holds.
-- By name where the first file has a column of nulls: DuckDB would take that file's lack of a type for all.
-- reads:  parquet
-- params: $src_dataset, $tasks, $files, $by_name
-- gives:  src_dataset VARCHAR, src_episode BIGINT, task VARCHAR, *
select $src_dataset as src_dataset,
       episode_index::bigint as src_episode,
       list_extract($tasks::varchar[], case when task_index >= 0 then task_index + 1 end) as task,
       {{ columns | as_shown }}
from read_parquet($files, hive_partitioning = false, union_by_name = $by_name)
