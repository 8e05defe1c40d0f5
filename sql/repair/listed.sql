-- repair/listed: what the episode list says of each episode, in the order of its rows
-- reads:  declared
-- params:
-- gives:  src_episode BIGINT, length BIGINT, tasks VARCHAR[]
select src_episode, length, tasks
from declared
where src_episode is not null
order by row_number
