-- verify/episodes_listed: no data file has rows of an episode that the episode list lacks
-- reads:  datasets, declared, placement
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select p.src_dataset,
       substr(p.data_file, length(d.root) + 2) as file,
       p.src_episode as episode,
       null::varchar as feature,
       format('{} rows of an episode that is not in the episode list', p.rows) as problem
from placement p
join datasets d using (src_dataset)
where not exists (
    from declared e
    where e.src_dataset = p.src_dataset
      and e.src_episode = p.src_episode
)
order by p.src_dataset, p.data_file, p.row_from
