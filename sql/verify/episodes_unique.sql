-- verify/episodes_unique: no episode is listed twice, and each has a number
-- reads:  datasets, declared
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select e.src_dataset,
       if(any_value(d.version) = 'v3.0', 'meta/episodes', 'meta/episodes.jsonl') as file,
       e.src_episode as episode,
       null::varchar as feature,
       if(e.src_episode is null,
          format('{} rows of the episode list have no number', count(*)),
          format('the episode list has {} rows of episode {}; one is needed', count(*), e.src_episode)
       ) as problem
from declared e
join datasets d using (src_dataset)
group by e.src_dataset, e.src_episode
having count(*) > 1 or e.src_episode is null
order by e.src_dataset, e.src_episode
