-- plan/repeated: how many picks are of an episode that their output has already
-- reads:  picks
-- params:
-- gives:  episodes BIGINT
select (count(*) - count(distinct (out_dataset, src_dataset, src_episode)))::bigint as episodes
from picks
