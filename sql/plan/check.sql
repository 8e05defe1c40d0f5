-- plan/check: what makes a plan impossible; no row, or no stage starts
-- reads:  plan, episodes
-- params:
-- gives:  problem VARCHAR
with unknown as (
    select format('no episode {} in source "{}"', p.src_episode, p.src_dataset) as problem
    from plan p
    anti join episodes e using (src_dataset, src_episode)
),
gaps as (
    select format('output "{}": positions are not 0 to {}', out_dataset, count(*) - 1) as problem
    from plan
    group by out_dataset
    having min(out_episode) <> 0
        or max(out_episode) <> count(*) - 1
        or count(distinct out_episode) <> count(*)
)
select problem from unknown
union all
select problem from gaps
order by problem
