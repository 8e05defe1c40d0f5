-- layout/clips_wanted: the clips that a plan needs, file by file, to be looked at before anything is written
-- reads:  plan, clips
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT
select distinct c.src_dataset, c.src_episode, c.camera, c.video_file, c.from_frame, c.to_frame
from plan p
join clips c using (src_dataset, src_episode)
order by c.src_dataset, c.camera, c.video_file, c.from_frame, c.src_episode
