-- verify/task_indices: every row of a listed episode has a task_index, and the task list has one text for it
-- Where the list lacks numbers, those that it has may be numbered otherwise: their texts count only where episodes agree.
-- reads:  datasets, declared, placement, tasks
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with placed as (
    select p.*
    from placement p
    semi join declared e using (src_dataset, src_episode)
),
used as (
    select src_dataset, src_episode, data_file, row_from, unnest(map_keys(task_frames)) as src_task
    from placed
),
listed as (
    select src_dataset, src_task, count(distinct task) as texts
    from tasks
    group by src_dataset, src_task
),
lacking as (
    select distinct u.src_dataset
    from used u
    anti join tasks t using (src_dataset, src_task)
),
unknown as (
    select u.src_dataset,
           u.src_episode,
           u.data_file,
           u.row_from,
           case
               when l.texts is null then format('task_index {} is not in the task list', u.src_task)
               when l.texts = 0 then format('task_index {} has no text in the task list', u.src_task)
               else format('task_index {} has {} texts in the task list', u.src_task, l.texts)
           end as problem
    from used u
    left join listed l using (src_dataset, src_task)
    where l.texts is distinct from 1
),
contradicted as (
    select u.src_dataset,
           u.src_episode,
           u.data_file,
           u.row_from,
           format('the task list, which lacks numbers, has another text for task_index {} than the episode', u.src_task)
               as problem
    from used u
    semi join lacking using (src_dataset)
    join (
        select src_dataset, src_task, any_value(task) as task
        from tasks
        group by src_dataset, src_task
        having count(distinct task) = 1
    ) t using (src_dataset, src_task)
    join declared e using (src_dataset, src_episode)
    where len(e.tasks) > 0
      and not list_contains(e.tasks, t.task)
),
absent as (
    select src_dataset,
           src_episode,
           data_file,
           row_from,
           format('{} of {} rows have no task_index', rows - numbered, rows) as problem
    from (
        select *, coalesce(list_sum(map_values(task_frames)), 0)::bigint as numbered
        from placed
    )
    where numbered <> rows
)
select f.src_dataset,
       substr(f.data_file, length(d.root) + 2) as file,
       f.src_episode as episode,
       'task_index' as feature,
       f.problem
from (
    from unknown
    union all
    from contradicted
    union all
    from absent
) f
join datasets d using (src_dataset)
order by f.src_dataset, f.data_file, f.row_from, f.problem
