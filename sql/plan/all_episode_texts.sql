-- plan/all_episode_texts: every task of every episode, in order
-- reads:  episode_texts
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, task VARCHAR
select src_dataset, src_episode, task
from episode_texts
order by src_dataset, src_episode, task
