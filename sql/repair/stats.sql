-- repair/stats: the statistics of each episode, as its metadata has them
-- reads:  carried_stats
-- params:
-- gives:  *
select *
from carried_stats
