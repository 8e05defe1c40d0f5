-- plan/episode_texts: every task that an episode has, in its frames, in its list or in another task column
-- It is no label of the frames where only task columns beside task_index use it.
-- reads:  episodes, placement, tasks, task_column_uses
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, task VARCHAR, is_label BOOLEAN
with of_frames as (
    select src_dataset, src_episode, unnest(map_keys(task_frames)) as src_task from placement
),
held as (
    select f.src_dataset, f.src_episode, t.task, true as by_frames, false as by_column
    from of_frames f
    join tasks t using (src_dataset, src_task)
    union all
    select src_dataset, src_episode, unnest(tasks), false, false
    from episodes
    union all
    select u.src_dataset, u.src_episode, t.task, false, true
    from task_column_uses u
    join tasks t using (src_dataset, src_task)
)
select src_dataset, src_episode, task, bool_or(by_frames) or not bool_or(by_column) as is_label
from held
group by src_dataset, src_episode, task
order by src_dataset, src_episode, task
