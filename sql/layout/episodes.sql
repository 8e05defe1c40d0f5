-- layout/episodes: each output episode in order, where its rows are now, and their task if all have the same
-- reads:  plan, episodes, placement
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT, src_length BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, data_file_rows BIGINT, size_bytes BIGINT, src_task BIGINT
with data_files as (
    select src_dataset, data_file, sum(rows)::bigint as data_file_rows
    from placement
    group by src_dataset, data_file
)
select p.out_dataset,
       p.out_episode,
       p.src_dataset,
       p.src_episode,
       e.length as src_length,
       e.data_file,
       e.row_from,
       e.row_to,
       f.data_file_rows,
       e.size_bytes,
       case when cardinality(r.task_frames) = 1 then map_keys(r.task_frames)[1] end as src_task
from plan p
join episodes e using (src_dataset, src_episode)
join placement r using (src_dataset, src_episode)
join data_files f on f.src_dataset = e.src_dataset and f.data_file = e.data_file
order by p.out_dataset, p.out_episode
