-- query/text: the text of a syntax tree
-- reads:
-- params: $tree
-- gives:  sql VARCHAR
select json_deserialize_sql($tree::json) as sql
