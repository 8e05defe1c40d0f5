-- catalog/custom_v3: the per-episode columns of a v3.0 dataset that are none of LeRobot's
-- reads:  parquet
-- params: $files
-- gives:  src_episode BIGINT, *
select episode_index::bigint as src_episode,
       {{ columns | idents }}
from read_parquet($files, hive_partitioning = false, union_by_name = true)
