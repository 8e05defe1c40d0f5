-- catalog/clips_v3: one row per episode of one camera, its span in exact frames; of many sources at once
-- The span is [round(from * fps), + length): recorded videos are often longer than their episode.
-- $src_datasets, $roots and $rates are those that $files belong to; $globs match each file once.
-- reads:  parquet
-- params: $globs, $files, $src_datasets, $roots, $rates, $template, $camera
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, from_s DOUBLE, to_s DOUBLE
with owners as (
    select unnest($files) as meta_file,
           unnest($src_datasets) as src_dataset,
           unnest($roots) as root,
           unnest($rates)::double as fps
),
pointers as (
    select filename as meta_file,
           episode_index::bigint as src_episode,
           length::bigint as length,
           {{ chunk_index | ident }}::bigint as chunk_index,
           {{ file_index | ident }}::bigint as file_index,
           {{ from_timestamp | ident }}::double as from_s,
           {{ to_timestamp | ident }}::double as to_s
    from read_parquet($globs, hive_partitioning = false)
)
select o.src_dataset,
       p.src_episode,
       $camera as camera,
       o.root || '/' || format($template, $camera, p.chunk_index, p.file_index) as video_file,
       round(p.from_s * o.fps)::bigint as from_frame,
       round(p.from_s * o.fps)::bigint + p.length as to_frame,
       p.from_s,
       p.to_s
from pointers p
join owners o using (meta_file)
order by o.src_dataset, p.src_episode
