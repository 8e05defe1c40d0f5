-- repair/clips: the video file that each episode names for each camera, and its first frame there
-- reads:  clips
-- params:
-- gives:  src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT
select src_episode,
       camera,
       any_value(video_file) as video_file,
       any_value(from_frame) as from_frame
from clips
where src_episode is not null
group by src_episode, camera
order by camera, src_episode
