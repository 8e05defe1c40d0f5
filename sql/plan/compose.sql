-- plan/compose: the rows of a user's query, in its order; an episode may be picked more than once
-- reads:  composed
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, out_dataset VARCHAR, sort_key VARCHAR
select src_dataset,
       src_episode,
       out_dataset,
       printf('%012d', place) as sort_key
from composed
