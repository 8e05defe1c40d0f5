-- verify/video_overlap: no frame of a video is that of two episodes or cameras, but of an episode that is there twice
-- reads:  datasets, shared_frames
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select s.src_dataset,
       substr(s.video_file, length(d.root) + 2) as file,
       s.src_episode as episode,
       s.camera as feature,
       s.problem
from shared_frames s
join datasets d using (src_dataset)
order by s.src_dataset, s.camera, s.src_episode
