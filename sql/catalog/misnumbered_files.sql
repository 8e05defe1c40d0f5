-- catalog/misnumbered_files: v2.x: data files whose name has the number of another episode than their rows
-- reads:  datasets, placement
-- params:
-- gives:  src_dataset VARCHAR, files BIGINT, data_file VARCHAR
with named as (
    select p.src_dataset,
           p.src_episode,
           substr(p.data_file, length(d.root) + 2) as data_file,
           try_cast(regexp_extract(p.data_file, 'episode_(\d+)\.parquet$', 1) as bigint) as number
    from placement p
    join datasets d using (src_dataset)
    where d.version <> 'v3.0'
)
select src_dataset, count(distinct data_file) as files, min(data_file) as data_file
from named
where number <> src_episode
group by src_dataset
order by src_dataset
