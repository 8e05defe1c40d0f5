-- verify/video_grid: frame k of a video is shown at k / fps, and its header says the dataset's fps
-- A lone frame without a duration has no rate: 0 fps.
-- reads:  datasets, videos
-- params: $tolerance_s
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select v.src_dataset,
       substr(v.video_file, length(d.root) + 2) as file,
       null::bigint as episode,
       v.camera as feature,
       if(
           v.fps <> 0 and abs(v.fps - d.fps) > 1e-6 * d.fps,
           format('{:.6g} fps, the dataset has {:.6g}', v.fps, d.fps),
           format(
               'frames up to {:g} s away from k / {:g} fps; must be less than {:g} s',
               v.off_grid_s,
               d.fps,
               $tolerance_s::double
           )
       ) as problem
from videos v
join datasets d using (src_dataset)
where v.problem is null
  and ((v.fps <> 0 and abs(v.fps - d.fps) > 1e-6 * d.fps) or v.off_grid_s >= $tolerance_s::double)
order by v.src_dataset, v.camera, v.video_file
