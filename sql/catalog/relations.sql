-- catalog/relations: the name of every relation there is
-- reads:
-- params:
-- gives:  relation VARCHAR
select table_name as relation
from information_schema.tables
order by table_name
