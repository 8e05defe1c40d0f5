-- write/single_tasks: the one task of each episode that has no other
-- reads:  layout, placement
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, src_task BIGINT
select p.src_dataset, p.src_episode, map_keys(p.task_frames)[1] as src_task
from placement p
semi join layout using (src_dataset, src_episode)
where cardinality(p.task_frames) = 1
order by p.src_dataset, p.src_episode
