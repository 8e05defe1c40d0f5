-- user_tables/unmatched_rows: how many rows of a table there are, and those whose key no episode has
-- reads:  the relations named
-- params:
-- gives:  total BIGINT, unmatched BIGINT, example VARCHAR
select count(*) as total,
       count(*) filter (where e.is_there is null) as unmatched,
       any_value(concat_ws(', ', {{ pairs | each("t.{column}::varchar", ", ") }})) filter (where e.is_there is null) as example
from {{ relation | ident }} t
left join (
    select distinct {{ pairs | each("{of_episodes}, ") }} true as is_there from {{ episodes | ident }}
) e on true {{ pairs | each(" and t.{column} = e.{of_episodes}") }}
