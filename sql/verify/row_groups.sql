-- verify/row_groups: each row group of a data file is one whole episode
-- reads:  datasets, placement, row_group_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with held as (
    select g.src_dataset,
           g.data_file,
           count(*) as row_groups,
           min(g.row_from) filter (where p.src_episode is null) as odd_from
    from row_group_facts g
    left join placement p
        on p.src_dataset = g.src_dataset
        and p.data_file = g.data_file
        and p.row_from = g.row_from
        and p.row_to = g.row_to
    group by g.src_dataset, g.data_file
),
wanted as (
    select src_dataset, data_file, count(*) as episodes
    from placement
    group by src_dataset, data_file
)
select h.src_dataset,
       substr(h.data_file, length(d.root) + 2) as file,
       null::bigint as episode,
       null::varchar as feature,
       case
           when h.row_groups <> coalesce(w.episodes, 0)
               then format('{} row group(s) for {} episode(s)', h.row_groups, coalesce(w.episodes, 0))
           else format('the row group at row {} is no whole episode', h.odd_from)
       end as problem
from held h
join datasets d using (src_dataset)
left join wanted w using (src_dataset, data_file)
where h.odd_from is not null
   or h.row_groups <> coalesce(w.episodes, 0)
order by h.src_dataset, h.data_file
