-- catalog/episodes_v2: the episode list of a v2.0 or v2.1 dataset, as its metadata declares it
-- reads:  json
-- params: $src_dataset, $file
-- gives:  src_dataset VARCHAR, src_episode BIGINT, row_number BIGINT, length BIGINT, tasks VARCHAR[], from_index BIGINT, to_index BIGINT, data_chunk BIGINT, data_file_index BIGINT, meta_chunk BIGINT, meta_file_index BIGINT, meta_file VARCHAR
select $src_dataset as src_dataset,
       episode_index as src_episode,
       row_number() over () - 1 as row_number,
       length,
       coalesce(tasks, []::varchar[]) as tasks,
       null::bigint as from_index,
       null::bigint as to_index,
       null::bigint as data_chunk,
       null::bigint as data_file_index,
       null::bigint as meta_chunk,
       null::bigint as meta_file_index,
       null::varchar as meta_file
from read_json(
    $file,
    format = 'newline_delimited',
    columns = {episode_index: 'BIGINT', tasks: 'VARCHAR[]', length: 'BIGINT'}
)
order by row_number
