-- verify/video_fault: the video files of episodes that are missing, or that cannot be read
-- reads:  datasets, clips, videos
-- params: $fault
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select c.src_dataset,
       substr(c.video_file, length(any_value(d.root)) + 2) as file,
       min(c.src_episode) as episode,
       c.camera as feature,
       any_value(v.problem)
           || if(count(*) = 1, '', format('; so for {} episodes', count(*))) as problem
from clips c
join datasets d using (src_dataset)
join videos v using (src_dataset, camera, video_file)
where v.fault = $fault
group by c.src_dataset, c.camera, c.video_file
order by c.src_dataset, c.camera, c.video_file
