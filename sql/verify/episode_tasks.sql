-- verify/episode_tasks: an episode lists the tasks of all its frames, and only tasks that the dataset knows
-- A list may hold more than the frames use: some recorders write paraphrases there.
-- reads:  datasets, declared, placement, tasks
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with used as (
    select p.src_dataset, p.src_episode, unnest(map_keys(p.task_frames)) as src_task
    from placement p
),
done as (
    select u.src_dataset, u.src_episode, list_sort(list(distinct t.task)) as tasks
    from used u
    join tasks t using (src_dataset, src_task)
    group by u.src_dataset, u.src_episode
),
known as (
    select src_dataset, list_sort(list(distinct task)) as tasks
    from tasks
    group by src_dataset
)
select e.src_dataset,
       if(d.version = 'v3.0', substr(e.meta_file, length(d.root) + 2), 'meta/episodes.jsonl') as file,
       e.src_episode as episode,
       null::varchar as feature,
       if(not list_has_all(e.tasks, f.tasks),
          format('tasks is {}, its frames have {}', to_json(list_sort(e.tasks)), to_json(f.tasks)),
          format('tasks is {}, the dataset knows only {}', to_json(list_sort(e.tasks)), to_json(k.tasks))
       ) as problem
from declared e
join datasets d using (src_dataset)
join done f using (src_dataset, src_episode)
join known k using (src_dataset)
where not list_has_all(e.tasks, f.tasks) or not list_has_all(k.tasks, e.tasks)
order by e.src_dataset, e.row_number
