-- write/frames_whole: the rows of whole data files, one file behind the other
-- Nothing but a projection: a join, an IN list or a window would lose the order of the frames.
-- By name where the first file has a column of nulls: DuckDB would take that file's lack of a type for all.
-- reads:  parquet
-- params: $files, $by_name
-- gives:  *
select {{ columns | each("{stored} as {name}", ", ") }}
from read_parquet($files, hive_partitioning = false, union_by_name = $by_name)
