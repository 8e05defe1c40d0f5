-- plan/split: each stratum's episodes, in order or shuffled by the seed, cut into parts where `shares` says
-- The shuffle is by md5 of the source's position, not its name: a renamed folder is split alike.
-- reads:  datasets, strata, shares
-- params: $seed
-- gives:  src_dataset VARCHAR, src_episode BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with places as (
    select s.src_dataset,
           s.src_episode,
           s.stratum,
           printf('%09d/%012d', d.src_position, s.src_episode) as place
    from strata s
    join datasets d using (src_dataset)
),
ranked as (
    select *,
           row_number() over (
               partition by stratum
               order by case when $seed::varchar is not null then md5(concat_ws('/', $seed::varchar, place)) end,
                        place
           ) - 1 as rank
    from places
)
select r.src_dataset,
       r.src_episode,
       s.part as out_dataset,
       r.place as sort_key
from ranked r
join shares s on s.stratum = r.stratum and r.rank >= s.from_rank and r.rank < s.to_rank
