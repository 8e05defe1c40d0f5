-- layout/subtasks: the subtasks of each output, one a string, dense from 0 in order of first appearance
-- reads:  plan, subtask_uses, subtasks
-- params:
-- gives:  out_dataset VARCHAR, subtask_index BIGINT, subtask VARCHAR
with firsts as (
    select p.out_dataset, s.subtask, min((p.out_episode, u.src_subtask)) as first_seen
    from plan p
    join subtask_uses u using (src_dataset, src_episode)
    join subtasks s using (src_dataset, src_subtask)
    group by p.out_dataset, s.subtask
)
select out_dataset,
       row_number() over (partition by out_dataset order by first_seen, subtask) - 1 as subtask_index,
       subtask
from firsts
order by out_dataset, subtask_index
