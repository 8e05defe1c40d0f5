-- user_tables/repeated_keys: the values of key columns that more than one row of a table has, as text
-- reads:  the relation named
-- params:
-- gives:  key VARCHAR, rows BIGINT
select concat_ws(', ', {{ columns | each("{}::varchar", ", ") }}) as key,
       count(*) as rows
from {{ relation | ident }}
where true {{ columns | each(" and {} is not null") }}
group by {{ columns | idents }}
having count(*) > 1
order by {{ columns | idents }}
