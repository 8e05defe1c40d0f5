-- verify/video_audio: a video has no sound
-- reads:  datasets, videos
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select v.src_dataset,
       substr(min(v.video_file), length(any_value(d.root)) + 2) as file,
       null::bigint as episode,
       v.camera as feature,
       'an audio track' || if(count(*) = 1, '', format('; so in {} files', count(*))) as problem
from videos v
join datasets d using (src_dataset)
where v.has_audio
group by v.src_dataset, v.camera
order by v.src_dataset, v.camera
