-- plan/relabelled: how many episodes get another task
-- reads:  relabels
-- params:
-- gives:  episodes BIGINT
select count(distinct (src_dataset, src_episode)) as episodes
from relabels
