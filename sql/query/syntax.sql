-- query/syntax: a user's SELECT as a syntax tree, or what the parser says of it; nothing is run
-- reads:
-- params: $sql
-- gives:  tree VARCHAR
select json_serialize_sql($sql)::varchar as tree
