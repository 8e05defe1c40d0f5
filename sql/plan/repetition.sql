-- plan/repetition: how many frames are planned, how many different ones of the sources, and how often one episode is
-- reads:  plan
-- params:
-- gives:  frames BIGINT, different_frames BIGINT, most_often BIGINT
with pieces as (
    select src_dataset,
           src_episode,
           from_frame,
           to_frame,
           coalesce(max(to_frame) over (
               partition by src_dataset, src_episode order by from_frame, to_frame, out_dataset, out_episode, piece
               rows between unbounded preceding and 1 preceding
           ), 0) as seen_to
    from plan
),
episodes as (
    select sum(to_frame - from_frame) as frames,
           sum(greatest(to_frame - greatest(from_frame, seen_to), 0)) as different_frames,
           count(*) as times
    from pieces
    group by src_dataset, src_episode
)
select coalesce(sum(frames), 0)::bigint as frames,
       coalesce(sum(different_frames), 0)::bigint as different_frames,
       coalesce(max(times), 0)::bigint as most_often
from episodes
