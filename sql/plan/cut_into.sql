-- plan/cut_into: every episode in so many pieces, whose lengths differ by a frame at most
-- reads:  datasets, episodes
-- params: $output, $pieces
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with numbered as (
    select *, unnest(range(0, $pieces::bigint)) as piece from episodes
)
select n.src_dataset,
       n.src_episode,
       n.length * n.piece // $pieces::bigint as from_frame,
       n.length * (n.piece + 1) // $pieces::bigint as to_frame,
       $output as out_dataset,
       printf('%09d/%012d/%012d', d.src_position, n.src_episode, n.piece) as sort_key
from numbered n
join datasets d using (src_dataset)
