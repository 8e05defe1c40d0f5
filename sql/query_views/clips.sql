-- query_views/clips: the video span of each episode and camera; files relative to their dataset
-- reads:  datasets, clips
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT
select c.src_dataset,
       c.src_episode,
       c.camera,
       substr(c.video_file, length(d.root) + 2) as video_file,
       c.from_frame,
       c.to_frame
from clips c
join datasets d using (src_dataset)
order by d.src_position, c.src_episode, c.camera
