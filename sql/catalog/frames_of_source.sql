-- catalog/frames_of_source: every row of one source's data files, with the file and row it stands at
-- By name where the first file has a column of nulls: DuckDB would take that file's lack of a type for all.
-- reads:  parquet
-- params: $src_dataset, $files, $by_name
-- gives:  src_dataset VARCHAR, src_episode BIGINT, *
select $src_dataset as src_dataset,
       episode_index::bigint as src_episode,
       filename as data_file,
       file_row_number as data_row,
       *
from read_parquet($files, hive_partitioning = false, union_by_name = $by_name)
