-- query_views/features: what each source declares, in its order; names and info as JSON
-- reads:  datasets, features
-- params:
-- gives:  src_dataset VARCHAR, feature VARCHAR, dtype VARCHAR, shape BIGINT[], names VARCHAR, info VARCHAR
select f.src_dataset, f.feature, f.dtype, f.shape, f.names, f.info
from features f
join datasets d using (src_dataset)
order by d.src_position, f.position
