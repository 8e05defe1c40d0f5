-- layout/episodes: each output episode's range of the global index, its data file, and where its rows are now
-- reads:  plan, episodes, data_file_numbers
-- params: $chunk_files
-- gives:  out_dataset VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT, length BIGINT, from_index BIGINT, to_index BIGINT, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, size_bytes BIGINT
select p.out_dataset,
       p.out_episode,
       p.src_dataset,
       p.src_episode,
       e.length,
       (sum(e.length) over upto_here - e.length)::bigint as from_index,
       (sum(e.length) over upto_here)::bigint as to_index,
       f.file_number,
       f.file_number // $chunk_files as chunk_index,
       f.file_number % $chunk_files as file_index,
       e.data_file,
       e.row_from,
       e.row_to,
       e.size_bytes
from plan p
join episodes e using (src_dataset, src_episode)
join data_file_numbers f using (out_dataset, out_episode)
window upto_here as (
    partition by p.out_dataset order by p.out_episode
    rows between unbounded preceding and current row
)
order by p.out_dataset, p.out_episode
