-- layout/totals: how much goes into each output
-- reads:  layout
-- params:
-- gives:  out_dataset VARCHAR, episodes BIGINT, frames BIGINT, size_bytes BIGINT
select out_dataset,
       count(*) as episodes,
       sum(length)::bigint as frames,
       sum(size_bytes)::bigint as size_bytes
from layout
group by out_dataset
order by out_dataset
