-- layout/episodes: each output episode's range of the global index, where its rows are now, and its one task
-- Of every `stride` frames of its source the first is taken. An episode whose frames have several tasks has no
-- `src_task`. A piece of an episode of several begins `at` so many frames of it.
-- reads:  plan, episodes, placement, piece_tasks
-- params: $sources, $strides
-- gives:  out_dataset VARCHAR, out_episode BIGINT, from_index BIGINT, length BIGINT, at BIGINT, src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, src_length BIGINT, is_whole BOOLEAN, data_file VARCHAR, row_from BIGINT, row_to BIGINT, data_file_rows BIGINT, size_bytes BIGINT, src_task BIGINT
with source_strides as (
    select unnest($sources::varchar[]) as src_dataset, unnest($strides::bigint[]) as stride
),
data_files as (
    select src_dataset, data_file, sum(rows)::bigint as data_file_rows
    from placement
    group by src_dataset, data_file
),
picked as (
    select p.*,
           p.to_frame - p.from_frame as src_length,
           (p.to_frame - p.from_frame + s.stride - 1) // s.stride as length,
           p.from_frame = 0 and p.to_frame = e.length as is_whole,
           e.data_file,
           e.row_from + p.from_frame as row_from,
           e.row_from + p.to_frame as row_to,
           case when e.length > 0 then e.size_bytes * (p.to_frame - p.from_frame) // e.length else 0 end as size_bytes
    from plan p
    join episodes e using (src_dataset, src_episode)
    join source_strides s using (src_dataset)
)
select p.out_dataset,
       p.out_episode,
       (sum(p.length) over (
           partition by p.out_dataset order by p.out_episode, p.piece
           rows between unbounded preceding and current row
       ) - p.length)::bigint as from_index,
       p.length,
       (sum(p.length) over (
           partition by p.out_dataset, p.out_episode order by p.piece
           rows between unbounded preceding and current row
       ) - p.length)::bigint as at,
       p.src_dataset,
       p.src_episode,
       p.from_frame,
       p.src_length,
       p.is_whole,
       p.data_file,
       p.row_from,
       p.row_to,
       f.data_file_rows,
       p.size_bytes,
       case when len(coalesce(t.src_tasks, map_keys(r.task_frames))) = 1
            then coalesce(t.src_tasks, map_keys(r.task_frames))[1]
       end as src_task
from picked p
join placement r using (src_dataset, src_episode)
left join piece_tasks t using (src_dataset, src_episode, from_frame, to_frame)
join data_files f on f.src_dataset = p.src_dataset and f.data_file = p.data_file
order by p.out_dataset, p.out_episode, p.piece
