-- layout/output_files: the data and video files of every output, and the source bytes that go into each
-- reads:  layout, clip_layout
-- params:
-- gives:  out_dataset VARCHAR, camera VARCHAR, chunk_index BIGINT, file_index BIGINT, episodes BIGINT, size_bytes BIGINT
select out_dataset,
       null::varchar as camera,
       chunk_index,
       file_index,
       count(*) as episodes,
       sum(size_bytes)::bigint as size_bytes
from layout
group by out_dataset, chunk_index, file_index
union all
select out_dataset, camera, chunk_index, file_index, count(*) as episodes, sum(size_bytes)::bigint as size_bytes
from clip_layout
group by out_dataset, camera, chunk_index, file_index
order by out_dataset, camera nulls first, chunk_index, file_index
