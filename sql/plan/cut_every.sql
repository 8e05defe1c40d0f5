-- plan/cut_every: every episode in pieces of so many frames; the last one may be shorter
-- reads:  datasets, episodes
-- params: $output, $sources, $lengths
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with amounts as (
    select unnest($sources::varchar[]) as src_dataset, unnest($lengths::bigint[]) as frames
),
starts as (
    select e.src_dataset, e.src_episode, e.length, a.frames, unnest(range(0, e.length, a.frames)) as from_frame
    from episodes e
    join amounts a using (src_dataset)
)
select s.src_dataset,
       s.src_episode,
       s.from_frame,
       least(s.from_frame + s.frames, s.length) as to_frame,
       $output as out_dataset,
       printf('%09d/%012d/%012d', d.src_position, s.src_episode, s.from_frame) as sort_key
from starts s
join datasets d using (src_dataset)
