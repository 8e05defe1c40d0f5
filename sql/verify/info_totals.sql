-- verify/info_totals: the totals in info.json are those of the dataset
-- reads:  datasets, declared, tasks, info_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with totals as (
    select d.src_dataset,
           coalesce(e.episodes, 0) as episodes,
           coalesce(e.frames, 0) as frames,
           coalesce(t.tasks, 0) as tasks
    from datasets d
    left join (
        select src_dataset, count(*) as episodes, sum(length)::bigint as frames
        from declared
        group by src_dataset
    ) e using (src_dataset)
    left join (
        select src_dataset, count(*) as tasks
        from tasks
        group by src_dataset
    ) t using (src_dataset)
),
needs as (
    select src_dataset, 'total_episodes' as field, episodes::varchar as needed from totals
    union all
    select src_dataset, 'total_frames', frames::varchar from totals
    union all
    select src_dataset, 'total_tasks', tasks::varchar from totals
)
select n.src_dataset,
       'meta/info.json' as file,
       null::bigint as episode,
       null::varchar as feature,
       format('{} is {}, the dataset has {}', n.field, coalesce(i.value, 'missing'), n.needed) as problem
from needs n
left join info_facts i on i.src_dataset = n.src_dataset and i.field = n.field
where i.value is distinct from n.needed
order by n.src_dataset, n.field
