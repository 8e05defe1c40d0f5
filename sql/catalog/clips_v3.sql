-- catalog/clips_v3: one row per episode and camera, its span in exact frames; of many sources at once
-- The span is [round(from * fps), + length): recorded videos are often longer than their episode.
-- $src_datasets, $roots and $rates are those that $files belong to; $globs match each file once.
-- reads:  parquet
-- params: $globs, $files, $src_datasets, $roots, $rates, $template, $cameras
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
           unnest(range(1, len($cameras) + 1)) as number,
           unnest([{{ chunk_index | idents }}]::bigint[]) as chunk_index,
           unnest([{{ file_index | idents }}]::bigint[]) as file_index,
           unnest([{{ from_timestamp | idents }}]::double[]) as from_s,
           unnest([{{ to_timestamp | idents }}]::double[]) as to_s
    from read_parquet($globs, hive_partitioning = false)
),
clips as (
    select o.src_dataset,
           o.root,
           o.fps,
           p.src_episode,
           p.length,
           p.number,
           p.chunk_index,
           p.file_index,
           p.from_s,
           p.to_s,
           $cameras[p.number] as camera
    from pointers p
    join owners o using (meta_file)
)
select src_dataset,
       src_episode,
       camera,
       root || '/' || format($template, camera, chunk_index, file_index) as video_file,
       round(from_s * fps)::bigint as from_frame,
       round(from_s * fps)::bigint + length as to_frame,
       from_s,
       to_s
from clips
order by number, src_dataset, src_episode
