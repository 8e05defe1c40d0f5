-- catalog/loose_pictures: the pictures of a column that are no more than a path, or nothing at all: without path
-- reads:  parquet
-- params: $files, $by_name
-- gives:  src_episode BIGINT, path VARCHAR
select episode_index::bigint as src_episode,
       {{ feature | ident }}.path::varchar as path
from read_parquet($files, hive_partitioning = false, union_by_name = $by_name)
where {{ feature | ident }}.bytes is null
