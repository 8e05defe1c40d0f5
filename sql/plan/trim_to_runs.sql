-- plan/trim_to_runs: every episode from the first frame of its runs to the last one, and a margin around them
-- An episode without a run is left out.
-- reads:  datasets, episodes, runs
-- params: $output, $sources, $margins
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with amounts as (
    select unnest($sources::varchar[]) as src_dataset, unnest($margins::bigint[]) as margin
),
spans as (
    select src_dataset, src_episode, min(from_frame) as first_frame, max(to_frame) as last_frame
    from runs
    group by src_dataset, src_episode
)
select e.src_dataset,
       e.src_episode,
       greatest(s.first_frame - a.margin, 0) as from_frame,
       least(s.last_frame + a.margin, e.length) as to_frame,
       $output as out_dataset,
       printf('%09d/%012d', d.src_position, e.src_episode) as sort_key
from spans s
join episodes e using (src_dataset, src_episode)
join datasets d using (src_dataset)
join amounts a using (src_dataset)
