-- catalog/parquet_columns: the leaf columns of every data file of one source, as its footer declares them
-- reads:  parquet
-- params: $src_dataset, $files
-- gives:  src_dataset VARCHAR, file_name VARCHAR, leaf VARCHAR
select $src_dataset as src_dataset,
       file_name,
       concat_ws(' ', name, type, converted_type, num_children) as leaf
from parquet_schema($files)
