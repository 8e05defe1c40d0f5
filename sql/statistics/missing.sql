-- statistics/missing: of how many planned episodes each statistic named is missing, in the order of the names
-- What is stored of an episode is missing of a part of it.
-- reads:  plan, episodes, stored_stats
-- params:
-- gives:  episodes BIGINT[]
select [{{ names | each("count(*) - count(c.{})", ", ") }}] as episodes
from plan p
join episodes e using (src_dataset, src_episode)
left join stored_stats c
  on p.from_frame = 0
 and p.to_frame = e.length
 and c.src_dataset = p.src_dataset
 and c.src_episode = p.src_episode
