-- plan/without_picks: the episodes of which nothing is picked, sources in the order given
-- reads:  datasets, episodes, picks
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, length BIGINT
select e.src_dataset, e.src_episode, e.length
from episodes e
join datasets d using (src_dataset)
anti join (select * from picks where from_frame < to_frame) using (src_dataset, src_episode)
order by d.src_position, e.src_episode
