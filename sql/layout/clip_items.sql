-- layout/clip_items: what each item, the clips that only one file can hold, adds to a video file
-- reads:  clip_order
-- params:
-- gives:  out_dataset VARCHAR, family VARCHAR, out_episode BIGINT, size_bytes BIGINT, frames BIGINT, must_break BOOLEAN
select out_dataset,
       camera as family,
       item as out_episode,
       sum(size_bytes)::bigint as size_bytes,
       sum(frames)::bigint as frames,
       bool_or(must_break) as must_break
from clip_order
group by out_dataset, camera, item
order by out_dataset, camera, item
