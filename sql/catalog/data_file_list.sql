-- catalog/data_file_list: the data files of one source, in order
-- reads:  data_files
-- params: $src_dataset
-- gives:  data_file VARCHAR
select data_file
from data_files
where src_dataset = $src_dataset
order by data_file
