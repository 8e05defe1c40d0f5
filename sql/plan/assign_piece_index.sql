-- plan/assign_piece_index: the plan: each picked piece's place in its output, dense from 0, by sort key
-- A piece without a start begins with the episode, one without an end ends with it.
-- reads:  picks, episodes
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, piece BIGINT, src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT
select k.out_dataset,
       row_number() over (
           partition by k.out_dataset order by k.sort_key, k.src_dataset, k.src_episode, k.from_frame, k.to_frame
       ) - 1 as out_episode,
       0::bigint as piece,
       k.src_dataset,
       k.src_episode,
       coalesce(k.from_frame, 0) as from_frame,
       coalesce(k.to_frame, e.length) as to_frame
from picks k
left join episodes e using (src_dataset, src_episode)
order by k.out_dataset, out_episode
