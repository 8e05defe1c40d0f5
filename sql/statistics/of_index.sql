-- statistics/of_index: what each output episode's source has stored of `index`, a number each, and whether none is missing
-- reads:  output_episodes, stored_stats
-- params:
-- gives:  is_known BOOLEAN, *
select {{ names | each("c.{}[1] is not null", " and ") }} as is_known,
       {{ names | each("c.{}[1] as {}", ", ") }}
from output_episodes e
left join stored_stats c
  on e.is_whole
 and c.src_dataset = e.src_dataset
 and c.src_episode = e.src_episode
order by e.out_dataset, e.out_episode
