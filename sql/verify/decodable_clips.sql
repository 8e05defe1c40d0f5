-- verify/decodable_clips: where in a video each episode lies, of those that can be read
-- reads:  clips, videos
-- params:
-- gives:  camera VARCHAR, video_file VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT
select c.camera, c.video_file, c.src_episode, c.from_frame, c.to_frame
from clips c
join videos v using (src_dataset, camera, video_file)
where v.problem is null
  and c.from_frame is not null
  and c.to_frame is not null
order by c.camera, c.video_file, c.from_frame, c.src_episode
