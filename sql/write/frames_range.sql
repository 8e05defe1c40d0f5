-- write/frames_range: the rows of neighbouring episodes of one data file
-- Nothing but a projection and BETWEEN: a join or an IN list would lose the order of the frames.
-- reads:  parquet
-- params: $files, $first_episode, $last_episode
-- gives:  *
select {{ columns | each("{stored} as {name}", ", ") }}
from read_parquet($files, hive_partitioning = false)
where episode_index between $first_episode and $last_episode
