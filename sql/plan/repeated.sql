-- plan/repeated: how many picks are of frames that their output has already
-- reads:  picks
-- params:
-- gives:  episodes BIGINT
select (count(*) - count(distinct (out_dataset, src_dataset, src_episode, from_frame, to_frame)))::bigint as episodes
from picks
