-- verify/episode_pointers: v3.0: meta/episodes/chunk_index and file_index name the file that the row is in
-- LeRobot's delete and split open that file.
-- reads:  datasets, declared
-- params: $episodes_format
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with named as (
    select e.src_dataset,
           e.src_episode,
           e.row_number,
           substr(e.meta_file, length(d.root) + 2) as found,
           format($episodes_format, e.meta_chunk, e.meta_file_index) as named
    from declared e
    join datasets d using (src_dataset)
    where d.version = 'v3.0'
)
select src_dataset,
       found as file,
       src_episode as episode,
       null::varchar as feature,
       format(
           'its row is here, meta/episodes/chunk_index and file_index name {}', coalesce(named, 'no file')
       ) as problem
from named
where named is distinct from found
order by src_dataset, row_number
