-- catalog/time_shifts: how much later than frame_index / fps an episode's timestamps are, and how unevenly
-- A time that is missing is as uneven as can be.
-- reads:  parquet
-- params: $globs, $by_name, $fps
-- gives:  src_episode BIGINT, shift_s DOUBLE, spread_s DOUBLE
select src_episode, min(late_s) as shift_s, max(coalesce(late_s, 'infinity')) - min(late_s) as spread_s
from (
    select episode_index::bigint as src_episode, timestamp::double - frame_index / $fps::double as late_s
    from read_parquet($globs, hive_partitioning = false, union_by_name = $by_name)
    where episode_index is not null
)
group by src_episode
order by src_episode
