-- plan/sample_shares: of each source as many episodes as its rounds say, each round drawn and all ordered by the seed
-- A round is limited by a number of episodes, or by frames: then to as near as whole episodes can be.
-- reads:  datasets, episodes, rounds
-- params: $seed, $output
-- gives:  src_dataset VARCHAR, src_episode BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with drawn as (
    select e.src_dataset,
           e.src_episode,
           e.length,
           r.round,
           r.episodes,
           r.frames,
           md5(concat_ws('/', $seed::varchar, r.round, printf('%09d/%012d', d.src_position, e.src_episode))) as lot
    from episodes e
    join datasets d using (src_dataset)
    join rounds r using (src_dataset)
),
ranked as (
    select *,
           row_number() over in_turn - 1 as rank,
           sum(length) over in_turn - length as frames_before
    from drawn
    window in_turn as (partition by src_dataset, round order by lot, src_episode)
)
select src_dataset,
       src_episode,
       $output as out_dataset,
       lot as sort_key
from ranked
where (episodes is null or rank < episodes)
  and (frames is null or 2 * frames_before + length <= 2 * frames)
