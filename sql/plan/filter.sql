-- plan/filter: the named episodes and no other, in the order of the sources
-- reads:  datasets, episodes, named
-- params: $output
-- gives:  src_dataset VARCHAR, src_episode BIGINT, out_dataset VARCHAR, sort_key VARCHAR
select e.src_dataset,
       e.src_episode,
       $output as out_dataset,
       printf('%09d/%012d', d.src_position, e.src_episode) as sort_key
from episodes e
join datasets d using (src_dataset)
semi join named using (src_dataset, src_episode)
