-- catalog/columns_of: the columns of a relation, in order
-- reads:  the relation named
-- params:
-- gives:  column_name VARCHAR
select column_name from (describe {{ relation | ident }})
