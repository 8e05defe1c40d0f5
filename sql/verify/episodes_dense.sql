-- verify/episodes_dense: row i of the episode list, over its files in path order, is episode i
-- reads:  datasets, declared
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select e.src_dataset,
       if(d.version = 'v3.0', substr(e.meta_file, length(d.root) + 2), 'meta/episodes.jsonl') as file,
       e.src_episode as episode,
       null::varchar as feature,
       format(
           'row {} of the episode list is episode {}; row i must be episode i',
           e.row_number,
           coalesce(e.src_episode::varchar, 'without a number')
       ) as problem
from declared e
join datasets d using (src_dataset)
where e.src_episode is distinct from e.row_number
order by e.src_dataset, e.row_number
