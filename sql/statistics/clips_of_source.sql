-- statistics/clips_of_source: the frames of a camera's video files that each listed episode has, in their order
-- reads:  clips, declared
-- params: $camera
-- gives:  src_episode BIGINT, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT
select c.src_episode,
       c.video_file,
       c.from_frame,
       c.to_frame
from clips c
semi join declared d using (src_dataset, src_episode)
where c.camera = $camera
order by c.video_file, c.from_frame
