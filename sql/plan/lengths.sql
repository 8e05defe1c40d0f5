-- plan/lengths: how long each episode is, sources in the order given, episodes in theirs
-- reads:  datasets, episodes
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, length BIGINT
select e.src_dataset, e.src_episode, e.length
from episodes e
join datasets d using (src_dataset)
order by d.src_position, e.src_episode
