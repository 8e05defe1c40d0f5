-- catalog/shared_frames: clips that have frames of another one: two readers of the same pictures
-- Each is told with the clip that reaches furthest among those that begin before it in its file, whichever
-- camera that is of; every clip that shares frames is in one row at least.
-- reads:  clips
-- params:
-- gives:  src_dataset VARCHAR, video_file VARCHAR, src_episode BIGINT, camera VARCHAR, from_frame BIGINT, to_frame BIGINT, other_episode BIGINT, other_camera VARCHAR, other_from_frame BIGINT, other_to_frame BIGINT
with spans as (
    select *,
           struct_pack(
               to_frame := to_frame, from_frame := from_frame, episode := src_episode, camera := camera
           ) as span
    from clips
    where video_file is not null
      and to_frame > from_frame
),
with_furthest as (
    select *,
           arg_max(span, to_frame) over before_here as furthest
    from spans
    window before_here as (
        partition by src_dataset, video_file order by from_frame, to_frame, camera, src_episode
        rows between unbounded preceding and 1 preceding
    )
)
select src_dataset,
       video_file,
       src_episode,
       camera,
       from_frame,
       to_frame,
       furthest.episode as other_episode,
       furthest.camera as other_camera,
       furthest.from_frame as other_from_frame,
       furthest.to_frame as other_to_frame
from with_furthest
where furthest.to_frame > from_frame
order by src_dataset, video_file, from_frame, to_frame, camera, src_episode
