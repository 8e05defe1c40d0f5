-- statistics/features_to_count: features whose statistics tell of fewer frames than there are, or that stats.json leaves out
-- So it has to be where frames have no value; the rows can tell.
-- reads:  datasets, declared, feature_needs, stats_facts, episode_stats_facts
-- params:
-- gives:  src_dataset VARCHAR, feature VARCHAR
with fewer as (
    select s.src_dataset, s.feature
    from episode_stats_facts s
    join declared e using (src_dataset, src_episode)
    where s.stat = 'count'
      and s.number < e.length
),
left_out as (
    select n.src_dataset, n.feature
    from feature_needs n
    join datasets d using (src_dataset)
    where d.version <> 'v2.1'
      and n.stat_shape is not null
      and not n.is_visual
      and exists (
          from stats_facts s
          where s.src_dataset = n.src_dataset
      )
      and not exists (
          from stats_facts s
          where s.src_dataset = n.src_dataset
            and s.feature = n.feature
      )
)
select src_dataset, feature
from (
    from fewer
    union
    from left_out
)
order by src_dataset, feature
