-- verify/stats_keys: v3.0, v2.0: stats.json has each declared feature's statistics, in its shape, no other
-- Statistics of pictures may be absent: nobody can make them without decoding. v2.0 keeps no count.
-- So may those of a feature without any value.
-- reads:  datasets, feature_needs, stats_facts, valueless_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with holders as (
    select d.src_dataset, d.version, count(s.feature) as facts
    from datasets d
    left join stats_facts s using (src_dataset)
    where d.version <> 'v2.1'
    group by d.src_dataset, d.version
),
stats as (
    select unnest(['min', 'max', 'mean', 'std', 'count']) as stat
),
absent as (
    select src_dataset, null::varchar as feature, 'missing, or holds no statistics' as problem
    from holders
    where facts = 0
),
undeclared as (
    select distinct s.src_dataset,
           s.feature,
           'statistics of a feature that info.json does not declare' as problem
    from stats_facts s
    join holders h using (src_dataset)
    where not exists (
        from feature_needs n
        where n.src_dataset = s.src_dataset
          and n.feature = s.feature
    )
),
lacking as (
    select n.src_dataset,
           n.feature,
           format('no {}', string_agg(t.stat, ', ' order by t.stat)) as problem
    from feature_needs n
    join holders h using (src_dataset)
    cross join stats t
    where h.facts > 0
      and n.stat_shape is not null
      and (t.stat <> 'count' or h.version <> 'v2.0')
      and not exists (
          from stats_facts s
          where s.src_dataset = n.src_dataset
            and s.feature = n.feature
            and s.stat = t.stat
      )
      and (
          not n.is_visual
          and not exists (
              from valueless_facts u
              where u.src_dataset = n.src_dataset
                and u.feature = n.feature
          )
          or exists (
              from stats_facts s
              where s.src_dataset = n.src_dataset
                and s.feature = n.feature
          )
      )
    group by n.src_dataset, n.feature
),
misshapen as (
    select s.src_dataset,
           s.feature,
           format(
               '{} has shape {}, must have {}',
               s.stat,
               coalesce(s.shape::varchar, 'none'),
               if(s.stat = 'count', [1], n.stat_shape)::varchar
           ) as problem
    from stats_facts s
    join holders h using (src_dataset)
    join feature_needs n using (src_dataset, feature)
    where n.stat_shape is not null
      and s.shape is distinct from if(s.stat = 'count', [1], n.stat_shape)
      and not coalesce(n.is_visual and s.shape in ([1, 1, 1], [3, 1, 1]), false)
)
select src_dataset,
       'meta/stats.json' as file,
       null::bigint as episode,
       feature,
       problem
from (
    from absent
    union all
    from undeclared
    union all
    from lacking
    union all
    from misshapen
)
order by src_dataset, feature, problem
