-- layout/appearances: the tasks of each output episode: of its frames, then any that only its metadata lists
-- Where `relabels` has another text for one, that text is meant.
-- reads:  plan, placement, episodes, tasks, relabels
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, task VARCHAR, listed_only BIGINT, place BIGINT
with of_frames as (
    select p.*, unnest(map_keys(r.task_frames)) as src_task
    from plan p
    join placement r using (src_dataset, src_episode)
),
of_lists as (
    select p.*, unnest(e.tasks) as task, generate_subscripts(e.tasks, 1) as place
    from plan p
    join episodes e using (src_dataset, src_episode)
),
held as (
    select f.*, t.task, 0::bigint as listed_only, f.src_task as place
    from of_frames f
    join tasks t using (src_dataset, src_task)
    union all by name
    select *, 1::bigint as listed_only
    from of_lists
)
select h.out_dataset,
       h.out_episode,
       coalesce(r.new_task, h.task) as task,
       h.listed_only,
       h.place::bigint as place
from held h
left join relabels r using (src_dataset, src_episode, task)
order by h.out_dataset, h.out_episode, h.listed_only, place, task
