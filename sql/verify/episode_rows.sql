-- verify/episode_rows: each listed episode has its length of rows, together in one file, frame 0 first
-- reads:  datasets, declared, placement
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select e.src_dataset,
       substr(p.data_file, length(d.root) + 2) as file,
       e.src_episode as episode,
       null::varchar as feature,
       case
           when p.rows is null then format('no rows in the data files; length is {}', coalesce(e.length, 0))
           when p.data_file <> p.last_data_file then format(
               'rows in more than one data file, also in {}; must be in one',
               substr(p.last_data_file, length(d.root) + 2)
           )
           when p.rows is distinct from e.length
               then format('{} rows, length is {}', p.rows, coalesce(e.length::varchar, 'missing'))
           when p.row_to - p.row_from <> p.rows then format(
               '{} rows spread over {} of the file; must stand together', p.rows, p.row_to - p.row_from
           )
           else format('frame_index does not run 0 to {} in row order', p.rows - 1)
       end as problem
from declared e
join datasets d using (src_dataset)
left join placement p using (src_dataset, src_episode)
where p.rows is null
   or p.data_file <> p.last_data_file
   or p.rows is distinct from e.length
   or p.row_to - p.row_from <> p.rows
   or p.in_order is distinct from true
order by e.src_dataset, e.row_number
