-- plan/all_texts: every text that is a task of some episode
-- reads:  episode_texts
-- params:
-- gives:  task VARCHAR
select distinct task
from episode_texts
order by task
