-- verify/episode_stats_listed: v2.1: episodes_stats.jsonl has one line for each episode, and no other
-- reads:  datasets, declared, episode_stats_facts
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
)
select c.src_dataset,
       'meta/episodes_stats.jsonl' as file,
       c.src_episode as episode,
       null::varchar as feature,
       if(
           c.is_absent,
           'no statistics of this episode',
           'statistics of an episode that is not listed'
       ) as problem
from compared c
join datasets d using (src_dataset)
where d.version = 'v2.1'
  and (c.is_extra or c.is_absent)
order by c.src_dataset, c.src_episode
