-- layout/episode_tasks: the task strings of each output episode, in the output's task order
-- reads:  plan, placement, episodes, tasks, out_tasks
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, tasks VARCHAR[]
with of_frames as (
    select p.out_dataset, p.out_episode, p.src_dataset, unnest(map_keys(r.task_frames)) as src_task
    from plan p
    join placement r using (src_dataset, src_episode)
),
strings as (
    select f.out_dataset, f.out_episode, t.task
    from of_frames f
    join tasks t using (src_dataset, src_task)
    union
    select p.out_dataset, p.out_episode, unnest(e.tasks) as task
    from plan p
    join episodes e using (src_dataset, src_episode)
)
select s.out_dataset,
       s.out_episode,
       list(s.task order by o.task_index) as tasks
from strings s
join out_tasks o using (out_dataset, task)
group by s.out_dataset, s.out_episode
order by s.out_dataset, s.out_episode
