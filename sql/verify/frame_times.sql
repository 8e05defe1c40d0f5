-- verify/frame_times: the timestamp of frame i of a listed episode is i / fps, within LeRobot's tolerance
-- reads:  datasets, declared, placement
-- params: $tolerance_s
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select p.src_dataset,
       substr(p.data_file, length(d.root) + 2) as file,
       p.src_episode as episode,
       'timestamp' as feature,
       case
           when coalesce(p.off_grid_s, 'infinity') = 'infinity' then 'rows without a finite timestamp'
           else format(
               'up to {:g} s away from frame_index / {:g} fps; must be less than {:g} s',
               p.off_grid_s,
               d.fps,
               $tolerance_s::double
           )
       end as problem
from placement p
join datasets d using (src_dataset)
semi join declared e using (src_dataset, src_episode)
where (p.off_grid_s < $tolerance_s::double) is distinct from true
order by p.src_dataset, p.data_file, p.row_from
