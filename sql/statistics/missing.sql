-- statistics/missing: of how many planned episodes each statistic named is missing, in the order of the names
-- What is stored of an episode is missing of a part of it.
-- reads:  plan, episodes, stored_stats
-- params:
-- gives:  episodes BIGINT[]
select [{{ names | each("count(*) - count(c.{})", ", ") }}] as episodes
from (
    select out_dataset,
           out_episode,
           min(src_dataset) as src_dataset,
           min(src_episode) as src_episode,
           min(from_frame) as from_frame,
           max(to_frame) as to_frame,
           count(*) as pieces
    from plan
    group by out_dataset, out_episode
) p
left join episodes e using (src_dataset, src_episode)
left join stored_stats c
  on p.pieces = 1
 and p.from_frame = 0
 and p.to_frame = e.length
 and c.src_dataset = p.src_dataset
 and c.src_episode = p.src_episode
