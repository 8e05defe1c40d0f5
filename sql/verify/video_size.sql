-- verify/video_size: the frames of a video have the declared height and width
-- reads:  datasets, feature_needs, videos
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select v.src_dataset,
       substr(v.video_file, length(d.root) + 2) as file,
       null::bigint as episode,
       v.camera as feature,
       format('{} × {}, info.json declares {} × {}', v.width, v.height, n.width, n.height) as problem
from videos v
join datasets d using (src_dataset)
join feature_needs n on n.src_dataset = v.src_dataset and n.feature = v.camera
where v.width <> n.width
   or v.height <> n.height
order by v.src_dataset, v.camera, v.video_file
