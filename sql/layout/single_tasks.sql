-- layout/single_tasks: the task of each output episode that has just one, by its number there
-- An episode that was given other tasks than its source has rows of its own in task_map.
-- reads:  layout, placement, task_map
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, task_index BIGINT
with single as (
    select l.out_dataset, l.out_episode, l.src_dataset, l.src_episode, map_keys(p.task_frames)[1] as src_task
    from layout l
    join placement p using (src_dataset, src_episode)
    where cardinality(p.task_frames) = 1
)
select s.out_dataset, s.out_episode, coalesce(own.task_index, shared.task_index) as task_index
from single s
left join task_map own using (out_dataset, src_dataset, src_episode, src_task)
left join task_map shared
  on shared.out_dataset = s.out_dataset
  and shared.src_dataset = s.src_dataset
  and shared.src_episode is null
  and shared.src_task = s.src_task
where coalesce(own.task_index, shared.task_index) is not null
order by s.out_dataset, s.out_episode
