-- catalog/episodes_v3: the episode lists of v3.0 datasets, as their metadata declares them; of many at once
-- $src_datasets are those that $files belong to; $globs match each file once.
-- reads:  parquet
-- params: $globs, $files, $src_datasets
-- gives:  src_dataset VARCHAR, src_episode BIGINT, row_number BIGINT, length BIGINT, tasks VARCHAR[], from_index BIGINT, to_index BIGINT, data_chunk BIGINT, data_file_index BIGINT, meta_chunk BIGINT, meta_file_index BIGINT, meta_file VARCHAR
with owners as (
    select unnest($files) as meta_file,
           unnest($src_datasets) as src_dataset,
           unnest(range(len($files))) as position
),
listed as (
    select episode_index::bigint as src_episode,
           length::bigint as length,
           coalesce(tasks, []::varchar[])::varchar[] as tasks,
           dataset_from_index::bigint as from_index,
           dataset_to_index::bigint as to_index,
           "data/chunk_index"::bigint as data_chunk,
           "data/file_index"::bigint as data_file_index,
           "meta/episodes/chunk_index"::bigint as meta_chunk,
           "meta/episodes/file_index"::bigint as meta_file_index,
           filename as meta_file,
           file_row_number as file_row
    from read_parquet($globs, hive_partitioning = false)
)
select o.src_dataset,
       l.src_episode,
       row_number() over in_dataset - 1 as row_number,
       l.length,
       l.tasks,
       l.from_index,
       l.to_index,
       l.data_chunk,
       l.data_file_index,
       l.meta_chunk,
       l.meta_file_index,
       l.meta_file
from listed l
join owners o using (meta_file)
window in_dataset as (partition by o.src_dataset order by o.position, l.file_row)
order by o.position, l.file_row
