-- query_views/episodes_by_task: every episode once for each of its tasks, `task` being that one
-- reads:  episodes, episode_texts
-- params:
-- gives:  *
select e.* replace (t.task as task)
from episodes e
join episode_texts t
  on t.src_dataset = e.src_dataset
 and t.src_episode = e.src_episode
