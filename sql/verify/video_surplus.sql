-- verify/video_surplus: every frame of a video belongs to an episode
-- reads:  datasets, clips, videos
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with spans as (
    select c.src_dataset,
           c.src_episode,
           c.camera,
           c.video_file,
           v.frames,
           greatest(c.from_frame, 0) as from_frame,
           least(c.to_frame, v.frames) as to_frame,
           coalesce(max(c.to_frame) over earlier, 0) as known_to
    from clips c
    join videos v using (src_dataset, camera, video_file)
    where v.problem is null
      and c.from_frame is not null
    window earlier as (
        partition by c.src_dataset, c.camera, c.video_file
        order by c.from_frame, c.src_episode
        rows between unbounded preceding and 1 preceding
    )
),
files as (
    select src_dataset,
           camera,
           video_file,
           any_value(frames) as frames,
           count(*) as clips,
           min(src_episode) as src_episode,
           sum(greatest(0, to_frame - greatest(from_frame, known_to)))::bigint as referenced
    from spans
    group by src_dataset, camera, video_file
)
select f.src_dataset,
       substr(f.video_file, length(d.root) + 2) as file,
       if(f.clips = 1, f.src_episode, null) as episode,
       f.camera as feature,
       format('{} frames, its episodes have {}', f.frames, f.referenced) as problem
from files f
join datasets d using (src_dataset)
where f.referenced < f.frames
order by f.src_dataset, f.camera, f.video_file
