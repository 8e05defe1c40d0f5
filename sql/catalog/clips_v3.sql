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
           unnest([
{% for p in pointers %}
               {
                   number: {{ loop.index }},
                   chunk_index: {{ p.chunk_index | ident }}::bigint,
                   file_index: {{ p.file_index | ident }}::bigint,
                   from_s: {{ p.from_timestamp | ident }}::double,
                   to_s: {{ p.to_timestamp | ident }}::double
               }{% if not loop.last %},{% endif %}

{% endfor %}
           ]) as clip
    from read_parquet($globs, hive_partitioning = false)
),
clips as (
    select o.src_dataset,
           o.root,
           o.fps,
           p.src_episode,
           p.length,
           p.clip.number,
           p.clip.chunk_index,
           p.clip.file_index,
           p.clip.from_s,
           p.clip.to_s,
           $cameras[p.clip.number] as camera
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
