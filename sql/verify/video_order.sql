-- verify/video_order: v3.0: a camera's files, from 000/000, and the clips in them follow the episodes
-- reads:  datasets, clips
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with neighbours as (
    select c.src_dataset,
           c.src_episode,
           c.camera,
           c.from_frame,
           substr(c.video_file, length(d.root) + 2) as file,
           lag(substr(c.video_file, length(d.root) + 2)) over by_episode as file_before,
           lag(c.src_episode) over by_episode as episode_before,
           lag(c.to_frame) over by_episode as end_before
    from clips c
    join datasets d using (src_dataset)
    where d.version = 'v3.0'
      and c.video_file is not null
    window by_episode as (partition by c.src_dataset, c.camera order by c.src_episode)
),
judged as (
    select *,
           case
               when not regexp_matches(
                   replace(file, 'videos/' || camera || '/', ''), '^chunk-\d{3}/file-\d{3}\.mp4$'
               )
                   then 'must be named videos/CAMERA/chunk-NNN/file-NNN.mp4, both below 1000'
               when file_before is null and not ends_with(file, '/chunk-000/file-000.mp4')
                   then 'the first file must be chunk-000/file-000.mp4'
               when file < file_before
                   then format('episode {} is in the later file {}', episode_before, file_before)
               when file = file_before and from_frame < end_before then format(
                   'starts at frame {}, episode {} ends at frame {}', from_frame, episode_before, end_before
               )
           end as problem
    from neighbours
)
select src_dataset,
       file,
       src_episode as episode,
       camera as feature,
       problem
from judged
where problem is not null
order by src_dataset, camera, src_episode
