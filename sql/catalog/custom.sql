-- catalog/custom: a row an episode of every source, with the per-episode columns that are none of LeRobot's
-- reads:  datasets, declared, custom_values
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, *
select e.src_dataset,
       e.src_episode,
       c.* exclude (src_dataset, src_episode)
from declared e
join datasets d using (src_dataset)
left join custom_values c using (src_dataset, src_episode)
order by d.src_position, e.row_number
