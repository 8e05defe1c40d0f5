-- layout/clip_order: each output's clips in order, and how each may follow the one before it
-- A clip that goes on where the last one ended needs no cut. Any other needs a closed GOP and the same
-- splice key to be appended; without them it opens a new file, and is never re-encoded.
-- reads:  plan, pieces
-- params:
-- gives:  out_dataset VARCHAR, family VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, frames BIGINT, lead BIGINT, tail BIGINT, size_bytes BIGINT, continues BOOLEAN, must_break BOOLEAN
with ordered as (
    select p.out_dataset,
           p.out_episode,
           c.*,
           coalesce(
               lag(c.video_file) over prior = c.video_file and lag(c.to_frame) over prior = c.from_frame,
               false
           ) as continues,
           coalesce(lag(c.splice_key) over prior = c.splice_key, false) as same_key
    from plan p
    join pieces c using (src_dataset, src_episode)
    window prior as (partition by p.out_dataset, c.camera order by p.out_episode)
)
select out_dataset,
       camera as family,
       out_episode,
       src_dataset,
       src_episode,
       camera,
       video_file,
       from_frame,
       to_frame,
       to_frame - from_frame as frames,
       lead,
       tail,
       greatest(size_bytes, 1) as size_bytes,
       continues,
       not continues and not (same_key and closed) as must_break
from ordered
order by out_dataset, camera, out_episode
