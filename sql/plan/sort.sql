-- plan/sort: every episode once, in an order that a user's terms have already given
-- reads:  ordered
-- params: $output
-- gives:  src_dataset VARCHAR, src_episode BIGINT, out_dataset VARCHAR, sort_key VARCHAR
select src_dataset,
       src_episode,
       $output as out_dataset,
       printf('%012d', place) as sort_key
from ordered
