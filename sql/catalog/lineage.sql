-- catalog/lineage: where each episode of one source came from, step by step, by its meta/lineage.parquet
-- Before there were parts of episodes the file did not name frames: `absent` columns are null.
-- Rows of episodes that the dataset does not have are left behind by tools that do not know the file.
-- reads:  parquet, the episode list named
-- params: $src_dataset, $file
-- gives:  src_dataset VARCHAR, src_episode BIGINT, step BIGINT, from_dataset VARCHAR, from_path VARCHAR, from_episode BIGINT, from_frame BIGINT, to_frame BIGINT, command VARCHAR, version VARCHAR
select $src_dataset as src_dataset,
       episode_index::bigint as src_episode,
       step::bigint as step,
       from_dataset::varchar as from_dataset,
       from_path::varchar as from_path,
       from_episode::bigint as from_episode,
       {{ frames | each("{}::bigint as {}, ") }}
       {{ absent | each("null::bigint as {}, ") }}
       command::varchar as command,
       version::varchar as version
from read_parquet($file, hive_partitioning = false)
where episode_index in (select src_episode from {{ declared | ident }})
order by src_episode, step, from_episode, from_frame
