-- verify/no_episodes: there is at least one episode
-- reads:  datasets, declared
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select d.src_dataset,
       if(d.version = 'v3.0', 'meta/episodes', 'meta/episodes.jsonl') as file,
       null::bigint as episode,
       null::varchar as feature,
       'the episode list is empty' as problem
from datasets d
where not exists (
    from declared e
    where e.src_dataset = d.src_dataset
)
order by d.src_dataset
