-- layout/all_reads: every read of every data file, in the order in which its rows are written
-- reads:  reads
-- params:
-- gives:  out_dataset VARCHAR, file_number BIGINT, query BIGINT, src_dataset VARCHAR, whole BOOLEAN, files VARCHAR[], first_episode BIGINT, last_episode BIGINT, rows BIGINT
select out_dataset, file_number, query, src_dataset, whole, files, first_episode, last_episode, rows
from reads
order by out_dataset, file_number, query
