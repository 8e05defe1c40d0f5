-- layout/all_episodes: every output episode in order, with its data file and its source
-- reads:  layout
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT, stride BIGINT, src_length BIGINT, length BIGINT, from_index BIGINT, to_index BIGINT, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, size_bytes BIGINT
select out_dataset, out_episode, src_dataset, src_episode, stride, src_length, length, from_index, to_index,
       file_number, chunk_index, file_index, data_file, row_from, row_to, size_bytes
from layout
order by out_dataset, out_episode
