-- layout/episode_files: the meta/episodes files of every output and the episodes in each
-- reads:  episode_file_numbers
-- params: $chunk_files
-- gives:  out_dataset VARCHAR, chunk_index BIGINT, file_index BIGINT, first_episode BIGINT, last_episode BIGINT
select out_dataset,
       file_number // $chunk_files as chunk_index,
       file_number % $chunk_files as file_index,
       min(out_episode) as first_episode,
       max(out_episode) as last_episode
from episode_file_numbers
group by out_dataset, file_number
order by out_dataset, file_number
