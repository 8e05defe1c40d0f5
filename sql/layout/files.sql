-- layout/files: which file of its family each episode lands in, decided before anything is written
-- A file is closed before the episode that would bring it to $limit_bytes or past $limit_frames, or that
-- must not stand behind the one before it; an episode over the limit has a file to itself.
-- `next` is where the file would end that starts at each episode; the starts are then a walk along it.
-- reads:  sized
-- params: $limit_bytes, $limit_frames
-- gives:  out_dataset VARCHAR, family VARCHAR, out_episode BIGINT, file_number BIGINT
with recursive running as materialized (
    select out_dataset,
           family,
           out_episode,
           sum(size_bytes) over before_here::bigint - size_bytes as bytes_from,
           sum(size_bytes) over before_here::bigint as bytes_to,
           sum(frames) over before_here::bigint - frames as frames_from,
           sum(frames) over before_here::bigint as frames_to,
           min(case when must_break then out_episode end) over after_here as next_break
    from {{ sized | ident }}
    window before_here as (
               partition by out_dataset, family order by out_episode
               rows between unbounded preceding and current row
           ),
           after_here as (
               partition by out_dataset, family order by out_episode
               rows between 1 following and unbounded following
           )
),
full_by_bytes as (
    select r.out_dataset, r.family, r.out_episode, f.out_episode as next_full
    from running r
    asof join running f
      on r.out_dataset = f.out_dataset
     and r.family = f.family
     and r.bytes_from + $limit_bytes <= f.bytes_to
),
full_by_frames as (
    select r.out_dataset, r.family, r.out_episode, f.out_episode as next_long
    from running r
    asof join running f
      on r.out_dataset = f.out_dataset
     and r.family = f.family
     and r.frames_from + $limit_frames + 1 <= f.frames_to
),
nexts as materialized (
    select r.out_dataset,
           r.family,
           r.out_episode,
           least(
               r.next_break,
               case when b.next_full is not null then greatest(b.next_full, r.out_episode + 1) end,
               case when l.next_long is not null then greatest(l.next_long, r.out_episode + 1) end
           ) as next_start
    from running r
    left join full_by_bytes b using (out_dataset, family, out_episode)
    left join full_by_frames l using (out_dataset, family, out_episode)
),
starts as (
    select out_dataset, family, min(out_episode) as out_episode
    from running
    group by out_dataset, family
    union all
    select s.out_dataset, s.family, n.next_start as out_episode
    from starts s
    join nexts n using (out_dataset, family, out_episode)
    where n.next_start is not null
)
select r.out_dataset,
       r.family,
       r.out_episode,
       (count(s.out_episode) over (
           partition by r.out_dataset, r.family order by r.out_episode
           rows between unbounded preceding and current row
       ) - 1)::bigint as file_number
from running r
left join starts s using (out_dataset, family, out_episode)
order by r.out_dataset, r.family, r.out_episode
