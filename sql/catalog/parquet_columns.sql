-- catalog/parquet_columns: the columns of every data file of one source, by the types that readers see
-- What writers name the inside of a list, and how they annotate plain integers, is no difference.
-- reads:  parquet
-- params: $src_dataset, $files
-- gives:  src_dataset VARCHAR, file_name VARCHAR, leaf VARCHAR
with nodes as (
    select file_name,
           column_id,
           concat_ws(' ', name, duckdb_type) as leaf,
           lag(converted_type) over in_file = 'LIST' as is_list,
           lag(repetition_type) over in_file = 'REPEATED'
             and lag(num_children) over in_file = 1 as is_element
    from parquet_schema($files)
    window in_file as (partition by file_name order by column_id)
)
select $src_dataset as src_dataset, file_name, leaf
from nodes
where column_id > 0
  and coalesce(is_list, false) = false
  and coalesce(is_element, false) = false
order by file_name, column_id
