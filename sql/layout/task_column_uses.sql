-- layout/task_column_uses: the task numbers that the planned episodes have in features beside task_index
-- reads:  plan, task_column_uses
-- params:
-- gives:  out_dataset VARCHAR, src_dataset VARCHAR, src_episode BIGINT, feature VARCHAR, src_task BIGINT
select distinct p.out_dataset, p.src_dataset, p.src_episode, u.feature, u.src_task
from plan p
join task_column_uses u using (src_dataset, src_episode)
order by p.out_dataset, p.src_dataset, p.src_episode, u.feature, u.src_task
