-- query_views/column_types: the columns of a relation, in order, with their types
-- reads:  the relation named
-- params:
-- gives:  column_name VARCHAR, column_type VARCHAR
select column_name, column_type from (describe {{ relation | ident }})
