-- layout/episodes: each output episode's range of the global index, its data file, and where its rows are now
-- Of every `stride` frames of its source the first is taken.
-- reads:  plan, episodes, strides, data_file_numbers
-- params: $chunk_files
-- gives:  out_dataset VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT, stride BIGINT, src_length BIGINT, length BIGINT, from_index BIGINT, to_index BIGINT, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, size_bytes BIGINT
with picked as (
    select p.*,
           s.stride,
           e.length as src_length,
           (e.length + s.stride - 1) // s.stride as length,
           e.data_file,
           e.row_from,
           e.row_to,
           e.size_bytes
    from plan p
    join episodes e using (src_dataset, src_episode)
    join strides s using (src_dataset)
)
select p.out_dataset,
       p.out_episode,
       p.src_dataset,
       p.src_episode,
       p.stride,
       p.src_length,
       p.length,
       (sum(p.length) over upto_here - p.length)::bigint as from_index,
       (sum(p.length) over upto_here)::bigint as to_index,
       f.file_number,
       f.file_number // $chunk_files as chunk_index,
       f.file_number % $chunk_files as file_index,
       p.data_file,
       p.row_from,
       p.row_to,
       p.size_bytes
from picked p
join data_file_numbers f using (out_dataset, out_episode)
window upto_here as (
    partition by p.out_dataset order by p.out_episode
    rows between unbounded preceding and current row
)
order by p.out_dataset, p.out_episode
