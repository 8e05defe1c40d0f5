-- plan/sample: of each stratum as many episodes as `shares` says, drawn and ordered by the seed
-- reads:  datasets, strata, shares
-- params: $seed
-- gives:  src_dataset VARCHAR, src_episode BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with drawn as (
    select s.src_dataset,
           s.src_episode,
           s.stratum,
           md5(concat_ws('/', $seed::varchar, printf('%09d/%012d', d.src_position, s.src_episode))) as lot
    from strata s
    join datasets d using (src_dataset)
),
ranked as (
    select *,
           row_number() over (partition by stratum order by lot, src_dataset, src_episode) - 1 as rank
    from drawn
)
select r.src_dataset,
       r.src_episode,
       s.part as out_dataset,
       r.lot as sort_key
from ranked r
join shares s on s.stratum = r.stratum and r.rank >= s.from_rank and r.rank < s.to_rank
