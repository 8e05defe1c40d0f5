-- query_views/datasets: the sources in the order they were named
-- reads:  datasets
-- params:
-- gives:  src_dataset VARCHAR, path VARCHAR, version VARCHAR, fps DOUBLE, robot_type VARCHAR
select src_dataset, path, version, fps, robot_type
from datasets
order by src_position
