-- layout/copy_or_encode: each output's clips in order, how each goes on from the one before it, and which cannot be copied
-- A clip of which only every `stride`-th frame is taken never can be.
-- A run of clips that stand one behind the other in a source file is copied as one, so that inside of it a
-- clip may lean on its neighbours. At its ends nobody brings what a clip leans on: there, clips that start
-- behind a keyframe and clips whose last frames need later ones are encoded again, up to the first that fits.
-- Of a clip that starts late, and can be copied from a later frame on, only the frames before that one are:
-- those before `copy_from` are encoded, `in_front` of packets of the source. What is copied then has the `rest_key`.
-- Episodes that are listed are encoded whole, all their pieces: these could not stand in one file otherwise.
-- reads:  plan, pieces
-- params: $out_datasets, $cameras, $out_episodes
-- gives:  out_dataset VARCHAR, out_episode BIGINT, piece BIGINT, src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, preroll BIGINT, postroll BIGINT, size_bytes BIGINT, compat_key VARCHAR, closed_gop BOOLEAN, stride BIGINT, copy_from BIGINT, in_front BOOLEAN, continues BOOLEAN, starts_late BOOLEAN, ends_early BOOLEAN
with whole as (
    select unnest($out_datasets::varchar[]) as out_dataset,
           unnest($cameras::varchar[]) as camera,
           unnest($out_episodes::bigint[]) as out_episode
),
ordered as (
    select p.out_dataset,
           p.out_episode,
           p.piece,
           w.camera is not null as is_whole,
           c.* exclude (src_dataset, src_episode, episode_from, episode_to),
           p.src_dataset,
           p.src_episode,
           coalesce(
               c.stride = 1
               and w.camera is null
               and lag(w.camera) over prior is null
               and lag(c.video_file) over prior = c.video_file
               and lag(c.to_frame) over prior = c.from_frame,
               false
           ) as continues
    from plan p
    join pieces c
      on c.src_dataset = p.src_dataset
     and c.src_episode = p.src_episode
     and c.episode_from = p.from_frame
     and c.episode_to = p.to_frame
    left join whole w
      on w.out_dataset = p.out_dataset
     and w.camera = c.camera
     and w.out_episode = p.out_episode
    window prior as (partition by p.out_dataset, c.camera order by p.out_episode, p.piece)
),
runs as (
    select *,
           sum((not continues)::bigint) over (
               partition by out_dataset, camera order by out_episode, piece
               rows between unbounded preceding and current row
           ) as run
    from ordered
),
ends as (
    select *,
           preroll > 0 and coalesce(
               bool_and(preroll > 0 and coalesce(copy_from, to_frame) = to_frame) over (
                   partition by out_dataset, camera, run order by out_episode, piece
                   rows between unbounded preceding and 1 preceding
               ),
               true
           ) as starts_late,
           bool_and(postroll > 0) over (
               partition by out_dataset, camera, run order by out_episode, piece
               rows between current row and unbounded following
           ) as ends_early,
           starts_late and not ends_early and stride = 1 and not is_whole and copy_from is not null as in_front
    from runs
)
select out_dataset,
       out_episode,
       piece,
       src_dataset,
       src_episode,
       camera,
       video_file,
       from_frame,
       to_frame,
       preroll,
       postroll,
       size_bytes,
       if(in_front, rest_key, compat_key) as compat_key,
       closed_gop or in_front as closed_gop,
       stride,
       case
           when in_front then copy_from
           when starts_late or ends_early or is_whole or stride > 1 then to_frame
           else from_frame
       end as copy_from,
       in_front,
       continues,
       starts_late,
       ends_early
from ends
order by out_dataset, camera, out_episode, piece
