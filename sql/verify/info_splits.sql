-- verify/info_splits: the splits in info.json, and v2.x's totals of videos and chunks, are those of the dataset
-- reads:  datasets, declared, features, info_facts, path_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with totals as (
    select d.src_dataset,
           d.version,
           p.chunks_size,
           coalesce(e.episodes, 0) as episodes,
           coalesce(f.cameras, 0) as cameras
    from datasets d
    join path_facts p using (src_dataset)
    left join (
        select src_dataset, count(*) as episodes
        from declared
        group by src_dataset
    ) e using (src_dataset)
    left join (
        select src_dataset, count(*) as cameras
        from features
        where dtype = 'video'
        group by src_dataset
    ) f using (src_dataset)
),
needs as (
    select src_dataset,
           'splits' as field,
           if(episodes = 0, '{}', '{"train": "0:' || episodes || '"}') as needed
    from totals
    union all
    select src_dataset, 'total_videos', (episodes * cameras)::varchar from totals where version <> 'v3.0'
    union all
    select src_dataset, 'total_chunks', ((episodes + chunks_size - 1) // chunks_size)::varchar
    from totals
    where version <> 'v3.0'
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
