-- statistics/clips: the frames of a camera's video files that each episode of an output has
-- reads:  clip_layout
-- params: $out_dataset, $camera
-- gives:  chunk_index BIGINT, file_index BIGINT, from_frame BIGINT, to_frame BIGINT
select chunk_index,
       file_index,
       from_frame,
       to_frame
from clip_layout
where out_dataset = $out_dataset
  and camera = $camera
order by out_episode
