-- verify/episode_spans: v3.0: dataset_from_index and dataset_to_index follow each other from 0 without a gap
-- reads:  datasets, declared
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with spans as (
    select src_dataset,
           src_episode,
           row_number,
           meta_file,
           length,
           from_index,
           to_index,
           lag(to_index, 1, 0) over (partition by src_dataset order by row_number) as needed_from
    from declared
)
select s.src_dataset,
       substr(s.meta_file, length(d.root) + 2) as file,
       s.src_episode as episode,
       null::varchar as feature,
       case
           when s.from_index is distinct from s.needed_from then format(
               'dataset_from_index is {}, the episode before ends at {}',
               coalesce(s.from_index::varchar, 'missing'),
               coalesce(s.needed_from::varchar, 'an unknown index')
           )
           else format(
               'dataset_from_index {} to dataset_to_index {} with length {}',
               s.from_index,
               coalesce(s.to_index::varchar, 'missing'),
               coalesce(s.length::varchar, 'missing')
           )
       end as problem
from spans s
join datasets d using (src_dataset)
where d.version = 'v3.0'
  and (
      s.from_index is distinct from s.needed_from
      or s.to_index - s.from_index is distinct from s.length
  )
order by s.src_dataset, s.row_number
