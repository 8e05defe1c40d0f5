-- layout/clips_wanted: the clips that a plan needs, file by file, to be looked at before anything is written
-- Cameras go by the output's names from here on; those that it leaves out are not wanted.
-- reads:  plan, clips
-- params: $sources, $src_cameras, $cameras
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT
with taken_cameras as (
    select unnest($sources) as src_dataset, unnest($src_cameras) as src_camera, unnest($cameras) as camera
)
select distinct c.src_dataset, c.src_episode, t.camera, c.video_file, c.from_frame, c.to_frame
from plan p
join clips c using (src_dataset, src_episode)
join taken_cameras t on t.src_dataset = c.src_dataset and t.src_camera = c.camera
order by c.src_dataset, t.camera, c.video_file, c.from_frame, c.src_episode
