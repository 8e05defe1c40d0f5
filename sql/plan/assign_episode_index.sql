-- plan/assign_episode_index: the plan: each picked episode's place in its output, dense from 0, by sort key
-- reads:  picks
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT
select out_dataset,
       row_number() over (
           partition by out_dataset order by sort_key, src_dataset, src_episode
       ) - 1 as out_episode,
       src_dataset,
       src_episode
from picks
order by out_dataset, out_episode
