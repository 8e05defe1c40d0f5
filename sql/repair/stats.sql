-- repair/stats: the statistics of each episode, as its metadata has them
-- reads:  stored_stats
-- params:
-- gives:  *
select *
from stored_stats
