-- repair/placement: where the rows of each episode really are
-- reads:  placement
-- params:
-- gives:  src_episode BIGINT, data_file VARCHAR, last_data_file VARCHAR, row_from BIGINT, row_to BIGINT, rows BIGINT, in_order BOOLEAN, off_grid_s DOUBLE, task_frames MAP(BIGINT, UBIGINT)
select src_episode,
       min(data_file) as data_file,
       max(last_data_file) as last_data_file,
       min(row_from) as row_from,
       max(row_to) as row_to,
       sum(rows)::bigint as rows,
       bool_and(in_order) as in_order,
       max(off_grid_s) as off_grid_s,
       any_value(coalesce(task_frames, map([]::bigint[], []::ubigint[]))) as task_frames
from placement
where src_episode is not null
group by src_episode
order by src_episode
