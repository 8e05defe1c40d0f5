-- verify/stats_bookkeeping: stats.json is true about the columns that are numbered anew
-- v2.0 computed its statistics in float32.
-- reads:  datasets, placement, stats_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with positions as (
    select src_dataset,
           src_episode,
           rows::double as rows,
           coalesce(
               sum(rows) over (
                   partition by src_dataset
                   order by data_file, row_from
                   rows between unbounded preceding and 1 preceding
               ),
               0
           )::double as position
    from placement
),
labels as (
    select src_dataset, unnest(map_entries(task_frames)) as label
    from placement
),
parts as (
    select src_dataset,
           'index' as feature,
           position as low,
           position + rows - 1 as high,
           rows,
           rows * (position + (rows - 1) / 2) as total
    from positions
    union all
    select src_dataset, 'episode_index', src_episode, src_episode, rows, rows * src_episode from positions
    union all
    select src_dataset, 'frame_index', 0, rows - 1, rows, rows * (rows - 1) / 2 from positions
    union all
    select src_dataset, 'task_index', label.key, label.key, label.value, label.value::double * label.key
    from labels
),
truth as (
    select src_dataset,
           feature,
           min(low) as min,
           max(high) as max,
           sum(total) / sum(rows) as mean,
           sum(rows) as count
    from parts
    group by src_dataset, feature
),
needed as (
    unpivot truth
    on "min", "max", "mean", "count"
    into name stat value needed
)
select n.src_dataset,
       'meta/stats.json' as file,
       null::bigint as episode,
       n.feature,
       format(
           '{} is {}, the rows have {}', n.stat, coalesce(s.numbers::varchar, 'no number'), n.needed
       ) as problem
from needed n
join stats_facts s using (src_dataset, feature, stat)
join datasets d using (src_dataset)
where d.version <> 'v2.1'
  and (
      len(s.numbers) <> 1
      or (
          abs(s.numbers[1] - n.needed) <= if(d.version = 'v2.0', 1e-3, 1e-6) * greatest(1, abs(n.needed))
      ) is distinct from true
  )
order by n.src_dataset, n.feature, n.stat
