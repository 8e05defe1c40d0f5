-- catalog/equal_rows: for each of some episodes of a source the first of them that has the same values in the same order
-- reads:  parquet, placement
-- params: $src_dataset, $episodes, $files, $by_name
-- gives:  src_episode BIGINT, first_episode BIGINT
with frames as (
    select file_row_number,
           episode_index::bigint as src_episode,
           hash({{ columns | idents }}) as digest
    from read_parquet($files, hive_partitioning = false, union_by_name = $by_name)
    where episode_index in (select unnest($episodes))
),
digests as (
    select p.src_episode,
           sum(hash(f.file_row_number - p.row_from, f.digest)::hugeint) as digest
    from frames f
    join placement p using (src_episode)
    where p.src_dataset = $src_dataset
    group by p.src_episode, p.rows
)
select src_episode,
       min(src_episode) over (partition by digest) as first_episode
from digests
order by src_episode
