-- layout/task_map: a source's task number → its number in each output
-- reads:  plan, tasks, out_tasks
-- params:
-- gives:  out_dataset VARCHAR, src_dataset VARCHAR, src_task BIGINT, task_index BIGINT
with pairs as (
    select distinct out_dataset, src_dataset from plan
)
select p.out_dataset, p.src_dataset, t.src_task, o.task_index
from pairs p
join tasks t using (src_dataset)
join out_tasks o on o.out_dataset = p.out_dataset and o.task = t.task
order by p.out_dataset, p.src_dataset, t.src_task
