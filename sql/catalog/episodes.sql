-- catalog/episodes: every episode of every source: what its metadata says and where its rows are
-- reads:  datasets, declared, placement, data_files
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, length BIGINT, seconds DOUBLE, task VARCHAR, tasks VARCHAR[], from_index BIGINT, to_index BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, size_bytes BIGINT
with placed as (
    select p.src_dataset,
           p.src_episode,
           p.data_file,
           p.row_from,
           p.row_to,
           f.size_bytes / sum(p.rows) over (partition by p.src_dataset, p.data_file) as bytes_a_row,
           p.rows
    from placement p
    left join data_files f using (src_dataset, data_file)
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
       ceil(p.bytes_a_row * p.rows)::bigint as size_bytes
from declared e
join datasets d using (src_dataset)
left join placed p using (src_dataset, src_episode)
order by d.src_position, e.src_episode
