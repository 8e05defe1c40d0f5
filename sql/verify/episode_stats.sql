-- verify/episode_stats: v3.0, v2.1: an episode's statistics are true about its count and its numbering
-- Frames without a value may be counted, as LeRobot does, or not.
-- reads:  datasets, declared, placement, features, episode_stats_facts, counted_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with sized as (
    select e.src_dataset,
           e.src_episode,
           e.row_number,
           e.length,
           if(
               d.version = 'v3.0', substr(e.meta_file, length(d.root) + 2), 'meta/episodes_stats.jsonl'
           ) as file,
           p.index_from,
           list_min(map_keys(p.task_frames)) as first_task,
           list_max(map_keys(p.task_frames)) as last_task
    from declared e
    join datasets d using (src_dataset)
    join placement p using (src_dataset, src_episode)
    where d.version <> 'v2.0'
),
needed as (
    select src_dataset, src_episode, 'index' as feature, 'min' as stat, index_from as needed from sized
    union all
    select src_dataset, src_episode, 'index', 'max', index_from + length - 1 from sized
    union all
    select src_dataset, src_episode, 'episode_index', unnest(['min', 'max', 'mean']), src_episode from sized
    union all
    select src_dataset, src_episode, 'task_index', 'min', first_task from sized
    union all
    select src_dataset, src_episode, 'task_index', 'max', last_task from sized
    union all
    select s.src_dataset, s.src_episode, f.feature, 'count', s.length
    from sized s
    join features f using (src_dataset)
    where f.dtype not in ('video', 'image')
)
select s.src_dataset,
       s.file,
       s.src_episode as episode,
       n.feature,
       format(
           'statistic {} is {}, the rows have {}', n.stat, coalesce(f.number::varchar, 'empty'), n.needed
       ) as problem
from needed n
join episode_stats_facts f using (src_dataset, src_episode, feature, stat)
join sized s using (src_dataset, src_episode)
where n.needed is not null
  and (abs(f.number - n.needed) <= 1e-6) is distinct from true
  and not exists (
      from counted_facts c
      where n.stat = 'count'
        and c.src_dataset = n.src_dataset
        and c.src_episode = n.src_episode
        and c.feature = n.feature
        and c.frames = f.number
  )
order by s.src_dataset, s.row_number, n.feature, n.stat
