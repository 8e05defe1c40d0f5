-- layout/task_uses: the tasks of each output episode: of its frames, of its list, of other task columns
-- Of a part of an episode its list says nothing: its frames do. `held_by` is 0, 1 and 2 for these. Where `relabels` has another text for one, that text is meant.
-- reads:  plan, placement, piece_tasks, episodes, tasks, relabels, task_column_uses
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, task VARCHAR, held_by BIGINT, place BIGINT
with of_frames as (
    select p.*, unnest(coalesce(t.src_tasks, map_keys(r.task_frames))) as src_task
    from plan p
    join placement r using (src_dataset, src_episode)
    left join piece_tasks t using (src_dataset, src_episode, from_frame, to_frame)
),
of_lists as (
    select p.*, unnest(e.tasks) as task, generate_subscripts(e.tasks, 1) as place
    from plan p
    join episodes e using (src_dataset, src_episode)
    where p.from_frame = 0 and p.to_frame = e.length
),
of_columns as (
    select distinct p.*, u.src_task
    from plan p
    join task_column_uses u using (src_dataset, src_episode)
),
held as (
    select f.*, t.task, 0::bigint as held_by, f.src_task as place
    from of_frames f
    join tasks t using (src_dataset, src_task)
    union all by name
    select *, 1::bigint as held_by
    from of_lists
    union all by name
    select c.*, t.task, 2::bigint as held_by, c.src_task as place
    from of_columns c
    join tasks t using (src_dataset, src_task)
)
select h.out_dataset,
       h.out_episode,
       coalesce(r.new_task, h.task) as task,
       h.held_by,
       h.place::bigint as place
from held h
left join relabels r using (src_dataset, src_episode, task)
order by h.out_dataset, h.out_episode, h.held_by, place, task
