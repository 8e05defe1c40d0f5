-- verify/index_dense: a row's index is its position over the data files in path order
-- Readers fetch row `index` by position, and find an episode by its dataset_from_index.
-- reads:  datasets, declared, placement
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with positions as (
    select p.src_dataset,
           p.src_episode,
           p.data_file,
           p.row_from,
           p.index_from,
           p.index_in_order,
           coalesce(sum(p.rows) over earlier, 0)::bigint as position
    from placement p
    window earlier as (
        partition by p.src_dataset
        order by p.data_file, p.row_from
        rows between unbounded preceding and 1 preceding
    )
)
select p.src_dataset,
       substr(p.data_file, length(d.root) + 2) as file,
       p.src_episode as episode,
       null::varchar as feature,
       case
           when p.index_from is distinct from p.position then format(
               'index starts at {}, its rows stand at {}',
               coalesce(p.index_from::varchar, 'nothing'),
               p.position
           )
           when p.index_in_order is distinct from true
               then format('index does not rise by one a frame from {}', p.position)
           else format('its rows stand at {}, dataset_from_index is {}', p.position, e.from_index)
       end as problem
from positions p
join datasets d using (src_dataset)
left join declared e using (src_dataset, src_episode)
where p.index_from is distinct from p.position
   or p.index_in_order is distinct from true
   or e.from_index <> p.position
order by p.src_dataset, p.data_file, p.row_from
