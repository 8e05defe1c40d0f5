-- verify/data_pointers: the data file that an episode's metadata or number names is the one with its rows
-- reads:  datasets, declared, placement, path_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with named as (
    select e.src_dataset,
           e.src_episode,
           e.row_number,
           substr(p.data_file, length(d.root) + 2) as found,
           if(
               d.version = 'v3.0',
               format(f.data_format, e.data_chunk, e.data_file_index),
               format(f.data_format, e.src_episode // f.chunks_size, e.src_episode)
           ) as named
    from declared e
    join datasets d using (src_dataset)
    join path_facts f using (src_dataset)
    join placement p using (src_dataset, src_episode)
)
select src_dataset,
       found as file,
       src_episode as episode,
       null::varchar as feature,
       format('its rows are here, not in {}', coalesce(named, 'a file that its metadata names')) as problem
from named
where named is distinct from found
order by src_dataset, row_number
