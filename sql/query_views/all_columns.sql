-- query_views/all_columns: a relation under its own name, from the schema in which it was put together
-- reads:  the relation named
-- params:
-- gives:  *
select *
from {{ schema | ident }}.{{ relation | ident }}
