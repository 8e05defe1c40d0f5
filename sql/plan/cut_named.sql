-- plan/cut_named: the pieces that are named, and the other episodes whole, in the order of the sources
-- reads:  datasets, episodes, named_pieces
-- params: $output
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with pieces as (
    select src_dataset, src_episode, from_frame, to_frame, place from named_pieces
    union all
    select e.src_dataset, e.src_episode, 0, e.length, 0
    from episodes e
    anti join named_pieces n using (src_dataset, src_episode)
)
select p.src_dataset,
       p.src_episode,
       p.from_frame,
       p.to_frame,
       $output as out_dataset,
       printf('%09d/%012d/%012d', d.src_position, p.src_episode, p.place) as sort_key
from pieces p
join datasets d using (src_dataset)
