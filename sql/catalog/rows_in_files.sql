-- catalog/rows_in_files: in each data file the rows of each episode and task, read off the file itself
-- A frame_index that is missing counts as one that is out of order.
-- $globs match each file once.
-- reads:  parquet
-- params: $globs, $by_name, $fps
-- gives:  data_file VARCHAR, src_episode BIGINT, src_task BIGINT, rows BIGINT, row_from BIGINT, row_to BIGINT, least_first BIGINT, most_first BIGINT, index_from BIGINT, least_index BIGINT, most_index BIGINT, off_grid_s DOUBLE
select filename as data_file,
       episode_index::bigint as src_episode,
       task_index::bigint as src_task,
       count(*) as rows,
       min(file_row_number) as row_from,
       max(file_row_number) + 1 as row_to,
       min(file_row_number - frame_index) as least_first,
       max(file_row_number - coalesce(frame_index, -1)) as most_first,
       min("index")::bigint as index_from,
       min("index" - frame_index) as least_index,
       max(coalesce("index" - frame_index, 9223372036854775807)) as most_index,
       max(coalesce(abs(timestamp::double - (frame_index / $fps::double)::float::double), 'infinity'))
         as off_grid_s
from read_parquet($globs, hive_partitioning = false, union_by_name = $by_name)
group by filename, src_episode, src_task
