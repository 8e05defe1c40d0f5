-- layout/clips: where each clip's frames land: file, segment (a run of source frames cut as one), first frame
-- reads:  clip_order, clip_files
-- params: $chunk_files
-- gives:  out_dataset VARCHAR, camera VARCHAR, out_episode BIGINT, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, segment BIGINT, src_dataset VARCHAR, src_episode BIGINT, video_file VARCHAR, src_from_frame BIGINT, src_to_frame BIGINT, size_bytes BIGINT, from_frame BIGINT, to_frame BIGINT, encoded BOOLEAN
with placed as (
    select o.*,
           f.file_number,
           not o.continues or f.file_number is distinct from lag(f.file_number) over camera_order as opens
    from clip_order o
    join clip_files f on f.out_dataset = o.out_dataset and f.family = o.camera and f.out_episode = o.item
    window camera_order as (partition by o.out_dataset, o.camera order by o.out_episode)
),
counted as (
    select *,
           sum(opens::bigint) over upto_here - 1 as segment,
           sum(frames) over upto_here as frames_upto
    from placed
    window upto_here as (
        partition by out_dataset, camera, file_number order by out_episode
        rows between unbounded preceding and current row
    )
)
select out_dataset,
       camera,
       out_episode,
       file_number,
       file_number // $chunk_files as chunk_index,
       file_number % $chunk_files as file_index,
       segment::bigint as segment,
       src_dataset,
       src_episode,
       video_file,
       from_frame as src_from_frame,
       to_frame as src_to_frame,
       size_bytes,
       (frames_upto - frames)::bigint as from_frame,
       frames_upto::bigint as to_frame,
       encoded
from counted
order by out_dataset, camera, out_episode
