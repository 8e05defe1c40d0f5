-- layout/tasks: the tasks of each output, one a string, dense from 0 in order of first appearance
-- An episode's tasks are those of its frames, then any that only its metadata lists.
-- reads:  plan, placement, episodes, tasks
-- params:
-- gives:  out_dataset VARCHAR, task_index BIGINT, task VARCHAR
with of_frames as (
    select p.out_dataset, p.out_episode, p.src_dataset, unnest(map_keys(r.task_frames)) as src_task
    from plan p
    join placement r using (src_dataset, src_episode)
),
of_lists as (
    select p.out_dataset,
           p.out_episode,
           unnest(e.tasks) as task,
           generate_subscripts(e.tasks, 1) as list_position
    from plan p
    join episodes e using (src_dataset, src_episode)
),
appearances as (
    select f.out_dataset, t.task, f.out_episode, 0 as listed_only, f.src_task as place
    from of_frames f
    join tasks t using (src_dataset, src_task)
    union all
    select out_dataset, task, out_episode, 1 as listed_only, list_position as place
    from of_lists
),
firsts as (
    select out_dataset, task, min((out_episode, listed_only, place)) as first_seen
    from appearances
    group by out_dataset, task
)
select out_dataset,
       row_number() over (partition by out_dataset order by first_seen, task) - 1 as task_index,
       task
from firsts
order by out_dataset, task_index
