-- catalog/tables: the name of every table there is; of views, too, DuckDB would first make its own
-- reads:
-- params:
-- gives:  relation VARCHAR
select table_name as relation
from duckdb_tables()
order by table_name
