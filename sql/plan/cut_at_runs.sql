-- plan/cut_at_runs: every episode in pieces, of which each but the first begins where a run does
-- reads:  datasets, episodes, runs
-- params: $output
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with starts as (
    select src_dataset, src_episode, 0::bigint as from_frame from episodes
    union
    select src_dataset, src_episode, from_frame from runs
)
select s.src_dataset,
       s.src_episode,
       s.from_frame,
       lead(s.from_frame, 1, e.length) over (
           partition by s.src_dataset, s.src_episode order by s.from_frame
       ) as to_frame,
       $output as out_dataset,
       printf('%09d/%012d/%012d', d.src_position, s.src_episode, s.from_frame) as sort_key
from starts s
join episodes e using (src_dataset, src_episode)
join datasets d using (src_dataset)
