-- verify/video_decoding_times: no two frames of a video have the same time of decoding
-- reads:  datasets, videos
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select v.src_dataset,
       substr(v.video_file, length(d.root) + 2) as file,
       null::bigint as episode,
       v.camera as feature,
       format('{} frames have the decoding time of the frame before', v.stalls) as problem
from videos v
join datasets d using (src_dataset)
where v.stalls > 0
order by v.src_dataset, v.camera, v.video_file
