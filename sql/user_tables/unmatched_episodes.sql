-- user_tables/unmatched_episodes: how many episodes there are, and those whose key no row of a table has
-- reads:  the relations named
-- params:
-- gives:  total BIGINT, unmatched BIGINT, example VARCHAR
select count(*) as total,
       count(*) filter (where t.is_there is null) as unmatched,
       arg_min(e.src_dataset || ' ' || e.src_episode, (e.src_dataset, e.src_episode)) filter (where t.is_there is null) as example
from {{ episodes | ident }} e
left join (
    select distinct {{ pairs | each("{column}, ") }} true as is_there from {{ relation | ident }}
) t on true {{ pairs | each(" and t.{column} = e.{of_episodes}") }}
