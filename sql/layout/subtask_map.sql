-- layout/subtask_map: each subtask number that a source's planned episodes use → its number in the output
-- A number that the source's list does not have, or has without a text, or with several, has none here.
-- reads:  plan, subtask_uses, subtasks, out_subtasks
-- params:
-- gives:  out_dataset VARCHAR, src_dataset VARCHAR, src_episode BIGINT, src_task BIGINT, task_index BIGINT
with used as (
    select distinct p.out_dataset, p.src_dataset, u.src_subtask
    from plan p
    join subtask_uses u using (src_dataset, src_episode)
),
known as (
    select src_dataset, src_subtask, min(subtask) as subtask
    from subtasks
    group by src_dataset, src_subtask
    having count(distinct subtask) = 1
)
select u.out_dataset, u.src_dataset, null::bigint as src_episode, u.src_subtask as src_task,
       o.subtask_index as task_index
from used u
left join known k using (src_dataset, src_subtask)
left join out_subtasks o
  on o.out_dataset = u.out_dataset
 and o.subtask = k.subtask
order by u.out_dataset, u.src_dataset, u.src_subtask
