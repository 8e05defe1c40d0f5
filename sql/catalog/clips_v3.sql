-- catalog/clips_v3: one row per episode and camera, its span in exact frames
-- The span is [round(from * fps), + length): recorded videos are often longer than their episode.
-- reads:  parquet
-- params: $src_dataset, $files, $root, $template, $fps, $camera
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, from_s DOUBLE, to_s DOUBLE
select $src_dataset as src_dataset,
       episode_index::bigint as src_episode,
       $camera as camera,
       $root || '/' || format(
           $template, $camera, {{ chunk_index | ident }}::bigint, {{ file_index | ident }}::bigint
       ) as video_file,
       round({{ from_timestamp | ident }} * $fps::double)::bigint as from_frame,
       round({{ from_timestamp | ident }} * $fps::double)::bigint + length::bigint as to_frame,
       {{ from_timestamp | ident }}::double as from_s,
       {{ to_timestamp | ident }}::double as to_s
from read_parquet($files, hive_partitioning = false)
order by src_episode
