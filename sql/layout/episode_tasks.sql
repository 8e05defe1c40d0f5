-- layout/episode_tasks: the task strings of each output episode, in the output's task order
-- What only a task column beside task_index uses is in an episode's list where the source's list has it.
-- reads:  task_uses, out_tasks
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, tasks VARCHAR[]
with strings as (
    select distinct out_dataset, out_episode, task
    from task_uses
    where held_by < 2
)
select s.out_dataset,
       s.out_episode,
       list(s.task order by o.task_index) as tasks
from strings s
join out_tasks o using (out_dataset, task)
group by s.out_dataset, s.out_episode
order by s.out_dataset, s.out_episode
