-- verify/missing_data_files: the data file that is named, by metadata or number, for each listed episode without rows
-- reads:  declared, placement
-- params: $data_format, $chunks_size, $is_v3
-- gives:  data_file VARCHAR, first_episode BIGINT, episodes BIGINT
with named as (
    select e.src_episode,
           if(
               $is_v3,
               format($data_format, e.data_chunk, e.data_file_index),
               format($data_format, e.src_episode // $chunks_size, e.src_episode)
           ) as data_file
    from declared e
    anti join placement p using (src_dataset, src_episode)
)
select data_file, min(src_episode) as first_episode, count(*) as episodes
from named
where data_file is not null
group by data_file
order by data_file
