-- verify/path_templates: v3.0: info.json names the paths that readers look at whatever it says
-- reads:  datasets, features, info_facts
-- params: $data_path, $video_path
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with needs as (
    select src_dataset, 'data_path' as field, $data_path::varchar as needed
    from datasets
    where version = 'v3.0'
    union all
    select distinct d.src_dataset, 'video_path', $video_path::varchar
    from datasets d
    join features f using (src_dataset)
    where d.version = 'v3.0'
      and f.dtype = 'video'
)
select n.src_dataset,
       'meta/info.json' as file,
       null::bigint as episode,
       null::varchar as feature,
       format('{} is {}, must be "{}"', n.field, coalesce(i.value, 'missing'), n.needed) as problem
from needs n
left join info_facts i on i.src_dataset = n.src_dataset and i.field = n.field
where i.value is distinct from '"' || n.needed || '"'
order by n.src_dataset, n.field
