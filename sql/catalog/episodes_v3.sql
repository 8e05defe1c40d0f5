-- catalog/episodes_v3: the episode list of a v3.0 dataset, as its metadata declares it
-- reads:  parquet
-- params: $src_dataset, $files
-- gives:  src_dataset VARCHAR, src_episode BIGINT, row_number BIGINT, length BIGINT, tasks VARCHAR[], from_index BIGINT, to_index BIGINT, data_chunk BIGINT, data_file_index BIGINT, meta_chunk BIGINT, meta_file_index BIGINT, meta_file VARCHAR
select $src_dataset as src_dataset,
       episode_index::bigint as src_episode,
       row_number() over () - 1 as row_number,
       length::bigint as length,
       coalesce(tasks, []::varchar[])::varchar[] as tasks,
       dataset_from_index::bigint as from_index,
       dataset_to_index::bigint as to_index,
       "data/chunk_index"::bigint as data_chunk,
       "data/file_index"::bigint as data_file_index,
       "meta/episodes/chunk_index"::bigint as meta_chunk,
       "meta/episodes/file_index"::bigint as meta_file_index,
       filename as meta_file
from read_parquet($files, hive_partitioning = false)
order by row_number
