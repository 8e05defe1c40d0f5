-- statistics/episodes: the statistics of each output episode: stored ones where its source has them, else computed
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
left join stored_stats c using (src_dataset, src_episode)
order by e.out_dataset, e.out_episode
