-- user_tables/parquet: the rows of a parquet file
-- reads:  parquet
-- params: $path
-- gives:  *
select *
from read_parquet($path, hive_partitioning = false)
