-- layout/unreferenced: how many frames of the video files in use no episode refers to, planned or not
-- reads:  clips
-- params: $video_files, $frames
-- gives:  frames BIGINT
with video_frames as (
    select unnest($video_files) as video_file, unnest($frames) as frames
),
spans as (
    select video_file,
           v.frames,
           least(greatest(c.from_frame, 0), v.frames) as from_frame,
           least(c.to_frame, v.frames) as to_frame
    from video_frames v
    join clips c using (video_file)
),
seen as (
    select *,
           coalesce(max(to_frame) over before_here, 0) as seen_to
    from spans
    window before_here as (
        partition by video_file order by from_frame, to_frame
        rows between unbounded preceding and 1 preceding
    )
),
referenced as (
    select coalesce(sum(greatest(to_frame - greatest(from_frame, seen_to), 0)), 0) as frames
    from seen
)
select ((select coalesce(sum(frames), 0) from video_frames) - frames)::bigint as frames
from referenced
