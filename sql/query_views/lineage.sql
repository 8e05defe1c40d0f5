-- query_views/lineage: where each episode came from, the last operation first
-- reads:  datasets, lineage
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, step BIGINT, from_dataset VARCHAR, from_path VARCHAR, from_episode BIGINT, from_frame BIGINT, to_frame BIGINT, command VARCHAR, version VARCHAR
select l.src_dataset,
       l.src_episode,
       l.step,
       l.from_dataset,
       l.from_path,
       l.from_episode,
       l.from_frame,
       l.to_frame,
       l.command,
       l.version
from lineage l
join datasets d using (src_dataset)
order by d.src_position, l.src_episode, l.step, l.from_episode, l.from_frame
