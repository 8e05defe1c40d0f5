-- statistics/episodes: the statistics of each output episode: stored ones where its source has them, else computed
-- What is stored of an episode is not true of a part of it.
-- reads:  output_episodes, stored_stats, computed_stats
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, *
select e.out_dataset,
       e.out_episode,
       {{ stored | each("c.{}, ") }}
       {{ computed | each("n.{}, ") }}
       {{ either | each("coalesce(c.{}, n.{}) as {}, ") }}
       e.length
from output_episodes e
join computed_stats n using (out_dataset, out_episode)
left join stored_stats c
  on e.is_whole
 and c.src_dataset = e.src_dataset
 and c.src_episode = e.src_episode
order by e.out_dataset, e.out_episode
