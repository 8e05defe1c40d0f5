-- plan/drop_runs: what is left of every episode without its runs, each stretch a piece; an episode that is one run is left out
-- reads:  datasets, episodes, runs
-- params: $output
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with gaps as (
    select e.src_dataset,
           e.src_episode,
           coalesce(lag(r.to_frame) over by_start, 0) as from_frame,
           r.from_frame as to_frame
    from episodes e
    join runs r using (src_dataset, src_episode)
    window by_start as (partition by r.src_dataset, r.src_episode order by r.from_frame)
    union all
    select e.src_dataset, e.src_episode, coalesce(max(r.to_frame), 0), e.length
    from episodes e
    left join runs r using (src_dataset, src_episode)
    group by e.src_dataset, e.src_episode, e.length
)
select g.src_dataset,
       g.src_episode,
       g.from_frame,
       g.to_frame,
       $output as out_dataset,
       printf('%09d/%012d/%012d', d.src_position, g.src_episode, g.from_frame) as sort_key
from gaps g
join datasets d using (src_dataset)
where g.from_frame < g.to_frame
