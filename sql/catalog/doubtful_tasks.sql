-- catalog/doubtful_tasks: task numbers of a source whose texts its episodes contradict, where its task list lacks others
-- Such a list may be numbered otherwise than the frames: each text is then a neighbour's.
-- reads:  placement, tasks, declared
-- params: $src_dataset
-- gives:  src_task BIGINT
with used as (
    select src_dataset, src_episode, unnest(map_keys(task_frames)) as src_task
    from placement
    where src_dataset = $src_dataset
),
lacking as (
    select u.src_task
    from used u
    anti join tasks t using (src_dataset, src_task)
)
select distinct u.src_task
from used u
join tasks t using (src_dataset, src_task)
join declared e using (src_dataset, src_episode)
where exists (from lacking)
  and len(e.tasks) > 0
  and not list_contains(e.tasks, t.task)
order by u.src_task
