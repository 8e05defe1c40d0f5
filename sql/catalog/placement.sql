-- catalog/placement: where each episode's rows really are, read off the data files themselves
-- A file's claim about itself is never taken from meta/: published datasets have data/file_index wrong.
-- An episode's frames are in order, from 0, exactly when its row - frame_index is its first row throughout;
-- a number that is missing is as wrong as any.
-- Of many sources at once: $src_datasets are those that $files belong to.
-- reads:  the relation named, of catalog/rows_in_files
-- params: $files, $src_datasets
-- gives:  src_dataset VARCHAR, src_episode BIGINT, data_file VARCHAR, last_data_file VARCHAR, row_from BIGINT, row_to BIGINT, rows BIGINT, in_order BOOLEAN, index_from BIGINT, index_in_order BOOLEAN, off_grid_s DOUBLE, task_frames MAP(BIGINT, UBIGINT)
with owners as (
    select unnest($files) as data_file, unnest($src_datasets) as src_dataset
),
of_tasks as (
    select o.src_dataset,
           f.src_episode,
           f.src_task,
           min(f.data_file) as data_file,
           max(f.data_file) as last_data_file,
           sum(f.rows)::ubigint as rows,
           min(f.row_from) as row_from,
           max(f.row_to) as row_to,
           min(f.least_first) as least_first,
           max(f.most_first) as most_first,
           min(f.index_from) as index_from,
           min(f.least_index) as least_index,
           max(f.most_index) as most_index,
           max(f.off_grid_s) as off_grid_s
    from {{ rows | ident }} f
    join owners o using (data_file)
    group by o.src_dataset, f.src_episode, f.src_task
)
select src_dataset,
       src_episode,
       min(data_file) as data_file,
       max(last_data_file) as last_data_file,
       min(row_from) as row_from,
       max(row_to) as row_to,
       sum(rows)::bigint as rows,
       min(least_first) = min(row_from) and max(most_first) = min(row_from) as in_order,
       min(index_from) as index_from,
       min(least_index) = max(most_index) as index_in_order,
       max(off_grid_s) as off_grid_s,
       map_from_entries(
           list((src_task, rows) order by src_task) filter (src_task is not null)
       ) as task_frames
from of_tasks
group by src_dataset, src_episode
order by src_dataset, src_episode
