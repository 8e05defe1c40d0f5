-- catalog/camera_files: every video file that an episode lies in, once
-- reads:  datasets, clips
-- params:
-- gives:  src_dataset VARCHAR, camera VARCHAR, video_file VARCHAR, episodes BIGINT, first_episode BIGINT
select d.src_dataset, c.camera, c.video_file, count(*) as episodes, min(c.src_episode) as first_episode
from clips c
join datasets d using (src_dataset)
where c.video_file is not null
group by d.src_position, d.src_dataset, c.camera, c.video_file
order by d.src_position, c.camera, c.video_file
