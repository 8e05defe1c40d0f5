-- verify/picture_stats: statistics of colours are from 0 to 1, as LeRobot divides pictures by 255
-- Those of depth maps, of one channel, are in the stored unit.
-- reads:  datasets, feature_needs, stats_facts, episode_stats_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with highest as (
    select src_dataset, feature, null::bigint as src_episode, list_max(numbers) as number
    from stats_facts
    where stat = 'max'
    union all
    select src_dataset, feature, src_episode, number
    from episode_stats_facts
    where stat = 'max'
),
beyond as (
    select h.src_dataset,
           h.feature,
           min(h.src_episode) as src_episode,
           max(h.number) as number,
           count(h.src_episode) as episodes,
           count(*) > count(h.src_episode) as is_of_all
    from highest h
    join feature_needs n using (src_dataset, feature)
    where n.is_visual
      and n.stat_shape = [3, 1, 1]
      and h.number > 1.01
      and not isnan(h.number)
    group by h.src_dataset, h.feature
)
select b.src_dataset,
       case
           when b.is_of_all then 'meta/stats.json'
           when d.version = 'v2.1' then 'meta/episodes_stats.jsonl'
       end as file,
       b.src_episode as episode,
       b.feature,
       format('the highest value is {:g}, must be 1 at most', b.number)
       || if(b.episodes > 1, format('; so in {} episodes', b.episodes), '') as problem
from beyond b
join datasets d using (src_dataset)
order by b.src_dataset, b.feature
