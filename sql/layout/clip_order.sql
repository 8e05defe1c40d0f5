-- layout/clip_order: each output's clips in order, and how each may follow the one before it
-- A copied clip that goes on where the last one ended needs no cut, and stays in its file where one of the two
-- leans on the other: both are of one `item`. Any other clip needs a closed GOP and the same compat key to
-- be appended; without them it opens a new file. Unless files are to be concatenated, so does one of another
-- file. Pieces of one episode are of one item; where such a piece must break, they cannot be.
-- reads:  clip_cuts
-- params: $concatenate, $video_files, $compat_keys
-- gives:  out_dataset VARCHAR, camera VARCHAR, out_episode BIGINT, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, frames BIGINT, size_bytes BIGINT, copy_from BIGINT, in_front BOOLEAN, joins BOOLEAN, continues BOOLEAN, must_break BOOLEAN, item BIGINT
with encodings as (
    select unnest($video_files::varchar[]) as video_file, unnest($compat_keys::varchar[]) as compat_key
),
keyed as (
    select c.*,
           c.copy_from = c.to_frame as encoded,
           case when encoded and not in_front then e.compat_key else c.compat_key end as file_key
    from clip_cuts c
    left join encodings e using (video_file)
),
neighbours as (
    select *,
           continues and copy_from = from_frame and not lag(encoded) over prior as copied_on,
           coalesce(lag(file_key) over prior = file_key, false) and (closed_gop or encoded) as fits,
           preroll > 0 or lag(postroll) over prior > 0 as leans,
           $concatenate or lag(video_file) over prior = video_file as may_follow
    from keyed
    window prior as (partition by out_dataset, camera order by out_episode, piece)
)
select out_dataset,
       camera,
       out_episode,
       video_file,
       from_frame,
       to_frame,
       (to_frame - from_frame + stride - 1) // stride as frames,
       greatest(size_bytes, 1) as size_bytes,
       copy_from,
       in_front,
       piece > 0 as joins,
       copied_on as continues,
       not copied_on and not (fits and coalesce(may_follow, false)) as must_break,
       (sum((not (piece > 0 or (copied_on and leans)))::bigint) over (
           partition by out_dataset, camera order by out_episode, piece
           rows between unbounded preceding and current row
       ) - 1)::bigint as item
from neighbours
order by out_dataset, camera, out_episode, piece
