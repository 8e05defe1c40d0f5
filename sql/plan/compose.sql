-- plan/compose: pieces of episodes in the order that is given; an episode may be picked more than once
-- reads:  composed
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
select src_dataset,
       src_episode,
       from_frame,
       to_frame,
       out_dataset,
       printf('%012d', place) as sort_key
from composed
