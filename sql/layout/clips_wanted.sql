-- layout/clips_wanted: the clips that a plan needs, file by file, to be looked at before anything is written
-- Cameras go by the output's names from here on; those that it leaves out are not wanted.
-- Of a piece of an episode they are those of its frames, [from_frame, to_frame) of the video.
-- reads:  plan, episodes, clips
-- params: $sources, $src_cameras, $cameras
-- gives:  src_dataset VARCHAR, src_episode BIGINT, episode_from BIGINT, episode_to BIGINT, is_whole BOOLEAN, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT
with taken_cameras as (
    select unnest($sources) as src_dataset, unnest($src_cameras) as src_camera, unnest($cameras) as camera
)
select distinct c.src_dataset,
       c.src_episode,
       p.from_frame as episode_from,
       p.to_frame as episode_to,
       p.from_frame = 0 and p.to_frame = e.length as is_whole,
       t.camera,
       c.video_file,
       c.from_frame + p.from_frame as from_frame,
       if(is_whole, c.to_frame, c.from_frame + p.to_frame) as to_frame
from plan p
join episodes e using (src_dataset, src_episode)
join clips c using (src_dataset, src_episode)
join taken_cameras t on t.src_dataset = c.src_dataset and t.src_camera = c.camera
order by c.src_dataset, t.camera, c.video_file, from_frame, to_frame, c.src_episode
