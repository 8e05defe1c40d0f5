-- catalog/task_totals: each task of a dataset, with the episodes and frames in which it is done
-- reads:  tasks, placement
-- params: $src_dataset
-- gives:  task VARCHAR, episodes BIGINT, frames BIGINT
with done as (
    select unnest(map_entries(task_frames)) as label
    from placement
    where src_dataset = $src_dataset
)
select t.task,
       count(d.label) as episodes,
       coalesce(sum(d.label.value), 0)::bigint as frames
from tasks t
left join done d on d.label.key = t.src_task
where t.src_dataset = $src_dataset
group by t.src_task, t.task
order by t.src_task
