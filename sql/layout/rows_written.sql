-- layout/rows_written: in which data file each output episode lies and how many rows it has there, in order
-- reads:  layout
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, length BIGINT
select out_dataset, out_episode, file_number, chunk_index, file_index, length
from layout
order by out_dataset, out_episode
