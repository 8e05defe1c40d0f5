-- verify/episode_tasks: an episode's list of tasks has exactly the tasks of its frames, in any order
-- reads:  datasets, declared, placement, tasks
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with used as (
    select p.src_dataset, p.src_episode, unnest(map_keys(p.task_frames)) as src_task
    from placement p
),
done as (
    select u.src_dataset,
           u.src_episode,
           list_sort(list(distinct t.task)) as tasks
    from used u
    join tasks t using (src_dataset, src_task)
    group by u.src_dataset, u.src_episode
)
select e.src_dataset,
       if(d.version = 'v3.0', substr(e.meta_file, length(d.root) + 2), 'meta/episodes.jsonl') as file,
       e.src_episode as episode,
       null::varchar as feature,
       format('tasks is {}, its frames have {}', to_json(list_sort(e.tasks)), to_json(f.tasks)) as problem
from declared e
join datasets d using (src_dataset)
join done f using (src_dataset, src_episode)
where list_sort(e.tasks) is distinct from f.tasks
order by e.src_dataset, e.row_number
