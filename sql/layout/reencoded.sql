-- layout/reencoded: the clips that cannot be copied, and the frames that each leans on in vain
-- reads:  clip_cuts
-- params:
-- gives:  out_dataset VARCHAR, camera VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, size_bytes BIGINT, stride BIGINT, copy_from BIGINT, in_front BOOLEAN, frames_before BIGINT, frames_behind BIGINT
select out_dataset,
       camera,
       out_episode,
       src_dataset,
       src_episode,
       video_file,
       from_frame,
       to_frame,
       size_bytes,
       stride,
       copy_from,
       in_front,
       case when starts_late then preroll else 0 end as frames_before,
       case when ends_early then postroll else 0 end as frames_behind
from clip_cuts
where copy_from > from_frame
order by out_dataset, camera, out_episode, piece
