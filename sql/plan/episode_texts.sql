-- plan/episode_texts: every task that an episode has, in its frames or in its list
-- reads:  episodes, placement, tasks
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, task VARCHAR
with of_frames as (
    select src_dataset, src_episode, unnest(map_keys(task_frames)) as src_task from placement
)
select f.src_dataset, f.src_episode, t.task
from of_frames f
join tasks t using (src_dataset, src_task)
union
select src_dataset, src_episode, unnest(tasks) as task
from episodes
order by src_dataset, src_episode, task
