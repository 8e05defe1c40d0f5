-- query/relations: the relations that users' SQL sees
-- reads:  whatever there is
-- params:
-- gives:  relation VARCHAR
select name as relation
from (show tables)
order by relation
