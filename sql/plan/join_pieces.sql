-- plan/join_pieces: the plan: of each picked episode of a source one episode of its output, of all its picked pieces
-- Pieces stand in it in the order of their sort keys, numbered from 0.
-- reads:  picks
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, piece BIGINT, src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT
with firsts as (
    select *,
           min(sort_key) over (partition by out_dataset, src_dataset, src_episode) as first_key
    from picks
)
select out_dataset,
       dense_rank() over (partition by out_dataset order by first_key, src_dataset, src_episode) - 1 as out_episode,
       row_number() over (
           partition by out_dataset, src_dataset, src_episode order by sort_key, from_frame, to_frame
       ) - 1 as piece,
       src_dataset,
       src_episode,
       from_frame,
       to_frame
from firsts
order by out_dataset, out_episode, piece
