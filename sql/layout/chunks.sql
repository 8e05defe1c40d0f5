-- layout/chunks: how many chunk folders each family of each output needs
-- reads:  layout, clip_layout
-- params:
-- gives:  out_dataset VARCHAR, family VARCHAR, chunks BIGINT
select out_dataset, 'data' as family, max(chunk_index) + 1 as chunks
from layout
group by out_dataset
union all
select out_dataset, camera as family, max(chunk_index) + 1 as chunks
from clip_layout
group by out_dataset, camera
order by out_dataset, family
