-- layout/task_map: a source's task number → its number in each output
-- An episode whose tasks have other texts than its source's has numbers of its own; src_episode is null in the
-- source's.
-- reads:  plan, tasks, relabels, out_tasks
-- params:
-- gives:  out_dataset VARCHAR, src_dataset VARCHAR, src_episode BIGINT, src_task BIGINT, task_index BIGINT
with texts as (
    select distinct p.out_dataset, p.src_dataset, null::bigint as src_episode, t.src_task, t.task
    from plan p
    join tasks t using (src_dataset)
    union all
    select distinct p.out_dataset, p.src_dataset, p.src_episode, t.src_task, r.new_task as task
    from plan p
    join relabels r using (src_dataset, src_episode)
    join tasks t using (src_dataset, task)
)
select t.out_dataset, t.src_dataset, t.src_episode, t.src_task, o.task_index
from texts t
join out_tasks o using (out_dataset, task)
order by t.out_dataset, t.src_dataset, t.src_episode nulls first, t.src_task
