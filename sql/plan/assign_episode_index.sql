-- plan/assign_episode_index: the plan: each picked episode's place in its output, dense from 0, by sort key; all its frames
-- An episode that no source has stays, without frames, for plan/check to name it.
-- reads:  picks, episodes
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, piece BIGINT, src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT
select k.out_dataset,
       row_number() over (
           partition by k.out_dataset order by k.sort_key, k.src_dataset, k.src_episode
       ) - 1 as out_episode,
       0::bigint as piece,
       k.src_dataset,
       k.src_episode,
       0::bigint as from_frame,
       e.length as to_frame
from picks k
left join episodes e using (src_dataset, src_episode)
order by k.out_dataset, out_episode
