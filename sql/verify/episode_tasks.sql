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
unknown as (
    select u.src_dataset, u.src_episode, list_sort(list(distinct u.task)) as tasks
    from (select src_dataset, src_episode, unnest(tasks) as task from declared) u
    anti join tasks t using (src_dataset, task)
    group by u.src_dataset, u.src_episode
)
select e.src_dataset,
       if(d.version = 'v3.0', substr(e.meta_file, length(d.root) + 2), 'meta/episodes.jsonl') as file,
       e.src_episode as episode,
       null::varchar as feature,
       if(not list_has_all(e.tasks, f.tasks),
          format('tasks is {}, its frames have {}', to_json(list_sort(e.tasks)), to_json(f.tasks)),
          format('tasks is {}, and the dataset knows no {}', to_json(list_sort(e.tasks)), to_json(k.tasks))
       ) as problem
from declared e
join datasets d using (src_dataset)
join done f using (src_dataset, src_episode)
left join unknown k using (src_dataset, src_episode)
where not list_has_all(e.tasks, f.tasks) or k.tasks is not null
order by e.src_dataset, e.row_number
