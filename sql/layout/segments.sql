-- layout/segments: the runs of source frames that make up each output video file, in order
-- reads:  clip_layout
-- params:
-- gives:  out_dataset VARCHAR, camera VARCHAR, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, segment BIGINT, video_file VARCHAR, src_from_frame BIGINT, src_to_frame BIGINT, from_frame BIGINT, frames BIGINT, size_bytes BIGINT, encoded BOOLEAN
select out_dataset,
       camera,
       file_number,
       chunk_index,
       file_index,
       segment,
       any_value(video_file) as video_file,
       min(src_from_frame) as src_from_frame,
       max(src_to_frame) as src_to_frame,
       min(from_frame) as from_frame,
       max(to_frame) - min(from_frame) as frames,
       sum(size_bytes)::bigint as size_bytes,
       bool_or(encoded) as encoded
from clip_layout
group by out_dataset, camera, file_number, chunk_index, file_index, segment
order by out_dataset, camera, file_number, segment
