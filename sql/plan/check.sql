-- plan/check: what makes a plan impossible; no row, or no stage starts
-- reads:  plan, datasets, episodes
-- params:
-- gives:  problem VARCHAR
with strangers as (
    select distinct format('no source is called "{}"', p.src_dataset) as problem,
           p.src_dataset,
           null::bigint as src_episode
    from plan p
    anti join datasets d using (src_dataset)
),
unknown as (
    select distinct format('no episode {} in source "{}"', p.src_episode, p.src_dataset) as problem,
           p.src_dataset,
           p.src_episode
    from plan p
    semi join datasets d using (src_dataset)
    anti join episodes e using (src_dataset, src_episode)
),
outside as (
    select distinct format(
               'source "{}", episode {}: frames {} to {} are not in it; it has {}',
               p.src_dataset, p.src_episode, p.from_frame, p.to_frame, e.length
           ) as problem,
           p.src_dataset,
           p.src_episode
    from plan p
    join episodes e using (src_dataset, src_episode)
    where p.from_frame < 0 or p.to_frame > e.length or p.from_frame >= p.to_frame
),
gaps as (
    select format('output "{}": positions are not 0 to {}', out_dataset, count(distinct out_episode) - 1) as problem,
           null::varchar as src_dataset,
           null::bigint as src_episode
    from plan
    group by out_dataset
    having min(out_episode) <> 0
        or max(out_episode) <> count(distinct out_episode) - 1
        or count(distinct (out_episode, piece)) <> count(*)
),
problems as (
    from strangers
    union all
    from unknown
    union all
    from outside
    union all
    from gaps
)
select problem
from problems
order by src_dataset, src_episode, problem
