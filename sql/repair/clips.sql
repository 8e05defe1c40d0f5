-- repair/clips: the video file that each episode names for each camera, its first frame there, and how long it is
-- reads:  clips
-- params:
-- gives:  src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, filmed_s DOUBLE
select src_episode,
       camera,
       any_value(video_file) as video_file,
       any_value(from_frame) as from_frame,
       any_value(to_s - from_s) as filmed_s
from clips
where src_episode is not null
group by src_episode, camera
order by camera, src_episode
