-- layout/tasks: the tasks of each output, one a string, dense from 0 in order of first appearance
-- reads:  task_uses
-- params:
-- gives:  out_dataset VARCHAR, task_index BIGINT, task VARCHAR
with firsts as (
    select out_dataset, task, min((out_episode, held_by, place)) as first_seen
    from task_uses
    group by out_dataset, task
)
select out_dataset,
       row_number() over (partition by out_dataset order by first_seen, task) - 1 as task_index,
       task
from firsts
order by out_dataset, task_index
