-- catalog/clip_files: what the clips in each video file take of it; `gap` is the longest stretch in front of one
-- reads:  datasets, clips
-- params:
-- gives:  src_dataset VARCHAR, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, gap BIGINT, shortest BIGINT, first_episode BIGINT, last_episode BIGINT, filmed_to BIGINT
with stretches as (
    select c.*,
           round(c.to_s * d.fps)::bigint as filmed_to,
           c.from_frame - coalesce(max(c.to_frame) over before_here, 0) as gap
    from clips c
    join datasets d using (src_dataset)
    where c.video_file is not null
      and c.to_frame is not null
    window before_here as (
        partition by c.src_dataset, c.camera, c.video_file order by c.from_frame, c.to_frame
        rows between unbounded preceding and 1 preceding
    )
)
select src_dataset,
       camera,
       video_file,
       min(from_frame) as from_frame,
       max(to_frame) as to_frame,
       max(gap) as gap,
       min(to_frame - from_frame) as shortest,
       arg_min(src_episode, from_frame) as first_episode,
       arg_max(src_episode, to_frame) as last_episode,
       max(filmed_to) as filmed_to
from stretches
group by src_dataset, camera, video_file
order by src_dataset, camera, video_file
