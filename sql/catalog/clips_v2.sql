-- catalog/clips_v2: one row per episode and camera; each has an mp4 of its own, from its first frame
-- reads:  declared
-- params: $src_dataset, $root, $template, $chunk_size, $camera
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, from_s DOUBLE, to_s DOUBLE
select src_dataset,
       src_episode,
       $camera as camera,
       $root || '/' || format($template, $camera, src_episode // $chunk_size, src_episode) as video_file,
       0::bigint as from_frame,
       length as to_frame,
       null::double as from_s,
       null::double as to_s
from {{ declared | ident }}
where src_dataset = $src_dataset
order by src_episode
