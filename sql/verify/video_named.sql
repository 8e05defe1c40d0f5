-- verify/video_named: v3.0: each episode names a video file for each camera
-- A camera without is hollow: some episodes have been recorded before it was there.
-- reads:  datasets, declared, clips
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select c.src_dataset,
       substr(e.meta_file, length(d.root) + 2) as file,
       c.src_episode as episode,
       c.camera as feature,
       'no video file is named' as problem
from clips c
join datasets d using (src_dataset)
join declared e using (src_dataset, src_episode)
where c.video_file is null
order by c.src_dataset, c.camera, c.src_episode
