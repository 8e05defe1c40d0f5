-- verify/episode_stats_listed: v2.1: a line for each episode and no other; v3.0: statistics of episodes at all
-- reads:  datasets, declared, episode_stats_facts, episode_column_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with held as (
    select distinct src_dataset, src_episode
    from episode_stats_facts
),
compared as (
    select src_dataset,
           src_episode,
           e.src_episode is null as is_extra,
           h.src_episode is null as is_absent
    from declared e
    full join held h using (src_dataset, src_episode)
),
lines as (
    select c.src_dataset,
           'meta/episodes_stats.jsonl' as file,
           c.src_episode as episode,
           if(
               c.is_absent,
               'no statistics of this episode',
               'statistics of an episode that is not listed'
           ) as problem
    from compared c
    join datasets d using (src_dataset)
    where d.version = 'v2.1'
      and (c.is_extra or c.is_absent)
),
bare as (
    select e.src_dataset, 'meta/episodes' as file, null::bigint as episode, 'no statistics of any episode' as problem
    from episode_column_facts e
    join datasets d using (src_dataset)
    where d.version = 'v3.0'
    group by e.src_dataset
    having count(*) filter (where starts_with(e.column_name, 'stats/')) = 0
)
select src_dataset,
       file,
       episode,
       null::varchar as feature,
       problem
from (
    from lines
    union all
    from bare
)
order by src_dataset, episode
