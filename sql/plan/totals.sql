-- plan/totals: how much goes into each output
-- reads:  plan, episodes
-- params:
-- gives:  out_dataset VARCHAR, episodes BIGINT, frames BIGINT, size_bytes BIGINT
select p.out_dataset,
       count(*) as episodes,
       sum(e.length)::bigint as frames,
       sum(e.size_bytes)::bigint as size_bytes
from plan p
join episodes e using (src_dataset, src_episode)
group by p.out_dataset
order by p.out_dataset
