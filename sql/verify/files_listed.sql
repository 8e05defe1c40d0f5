-- verify/files_listed: every data file of v2.x and every video file belongs to an episode
-- reads:  datasets, declared, clips, path_facts, file_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with named as (
    select c.src_dataset, substr(c.video_file, length(d.root) + 2) as file
    from clips c
    join datasets d using (src_dataset)
    union all
    select e.src_dataset, format(f.data_format, e.src_episode // f.chunks_size, e.src_episode)
    from declared e
    join datasets d using (src_dataset)
    join path_facts f using (src_dataset)
    where d.version <> 'v3.0'
)
select f.src_dataset,
       f.file,
       null::bigint as episode,
       null::varchar as feature,
       'no episode that is listed refers to this file' as problem
from file_facts f
join datasets d using (src_dataset)
where (f.family = 'videos' or (f.family = 'data' and d.version <> 'v3.0'))
  and not exists (
      from named n
      where n.src_dataset = f.src_dataset
        and n.file = f.file
  )
order by f.src_dataset, f.file
