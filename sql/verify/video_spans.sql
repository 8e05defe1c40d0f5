-- verify/video_spans: an episode's clip lies inside its file, on whole frames, as long as its data
-- reads:  datasets, declared, clips, videos
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with spans as (
    select c.*,
           d.root,
           d.fps,
           d.version = 'v3.0' as is_timed,
           e.length,
           v.frames,
           (c.to_s - c.from_s) - e.length / d.fps as surplus_s,
           abs(c.from_s * d.fps - round(c.from_s * d.fps)) as off_frame
    from clips c
    join datasets d using (src_dataset)
    join declared e using (src_dataset, src_episode)
    join videos v using (src_dataset, camera, video_file)
    where v.problem is null
)
select src_dataset,
       substr(video_file, length(root) + 2) as file,
       src_episode as episode,
       camera as feature,
       case
           when is_timed and (from_s is null or to_s is null) then 'no from_timestamp or to_timestamp'
           when from_frame < 0 or to_frame > frames
               then format('frames {} to {} of a file with {} frames', from_frame, to_frame, frames)
           when off_frame >= 1e-3
               then format('from_timestamp {} is not at a frame of {:g} fps', from_s, fps)
           else format(
               'from_timestamp {} to to_timestamp {} is {:.6f} s, {} frames at {:g} fps are {:.6f} s',
               from_s,
               to_s,
               to_s - from_s,
               length,
               fps,
               length / fps
           )
       end as problem
from spans
where (is_timed and (from_s is null or to_s is null))
   or from_frame < 0
   or to_frame > frames
   or off_frame >= 1e-3
   or abs(surplus_s) >= 1e-4
order by src_dataset, camera, src_episode
