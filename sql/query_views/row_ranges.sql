-- query_views/row_ranges: where the rows of each episode are
-- reads:  datasets, episodes, placement
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, length BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, size_bytes BIGINT, from_frame BIGINT
select e.src_dataset,
       e.src_episode,
       e.length,
       case when p.data_file = p.last_data_file then p.data_file end as data_file,
       e.row_from,
       e.row_to,
       e.size_bytes,
       0::bigint as from_frame
from episodes e
join datasets d using (src_dataset)
left join placement p using (src_dataset, src_episode)
order by d.src_position, e.src_episode
