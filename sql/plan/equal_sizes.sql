-- plan/equal_sizes: data files of the same size in several sources; those of one source are no copies
-- reads:  data_files
-- params:
-- gives:  sources VARCHAR[], files VARCHAR[]
select list(src_dataset order by src_dataset, data_file) as sources,
       list(data_file order by src_dataset, data_file) as files
from data_files
group by size_bytes
having count(distinct src_dataset) > 1
order by size_bytes
