-- catalog/placement: where each episode's rows really are, read off the data files themselves
-- A file's claim about itself is never taken from meta/: published datasets have data/file_index wrong.
-- An episode's frames are in order, from 0, exactly when data_row - frame_index is its first row throughout.
-- reads:  frames
-- params: $fps
-- gives:  src_dataset VARCHAR, src_episode BIGINT, data_file VARCHAR, last_data_file VARCHAR, row_from BIGINT, row_to BIGINT, rows BIGINT, in_order BOOLEAN, index_from BIGINT, index_in_order BOOLEAN, off_grid_s DOUBLE, task_frames MAP(BIGINT, UBIGINT)
select src_dataset,
       src_episode,
       min(data_file) as data_file,
       max(data_file) as last_data_file,
       min(data_row) as row_from,
       max(data_row) + 1 as row_to,
       count(*) as rows,
       min(data_row - frame_index) = min(data_row)
         and max(data_row - frame_index) = min(data_row) as in_order,
       min("index")::bigint as index_from,
       min("index" - frame_index) = max("index" - frame_index) as index_in_order,
       max(abs(timestamp::double - (frame_index / $fps::double)::float::double)) as off_grid_s,
       histogram(task_index::bigint) as task_frames
from {{ frames | ident }}
group by src_dataset, src_episode
order by src_dataset, src_episode
