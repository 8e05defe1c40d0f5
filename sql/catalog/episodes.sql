-- catalog/episodes: every episode of every source: what its metadata says and where its rows are
-- reads:  datasets, declared, placement, data_files
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, length BIGINT, seconds DOUBLE, task VARCHAR, tasks VARCHAR[], from_index BIGINT, to_index BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, size_bytes BIGINT
with bytes as (
    select p.src_dataset, p.data_file, any_value(f.size_bytes) / sum(p.rows) as bytes_a_row
    from placement p
    join data_files f using (src_dataset, data_file)
    group by p.src_dataset, p.data_file
)
select e.src_dataset,
       e.src_episode,
       e.length,
       e.length / d.fps as seconds,
       e.tasks[1] as task,
       e.tasks,
       e.from_index,
       e.to_index,
       p.data_file,
       p.row_from,
       p.row_to,
       ceil(bytes.bytes_a_row * p.rows)::bigint as size_bytes
from declared e
join datasets d using (src_dataset)
left join placement p using (src_dataset, src_episode)
left join bytes using (src_dataset, data_file)
order by d.src_position, e.src_episode
