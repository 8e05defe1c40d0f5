-- read: some columns of a relation, of all its rows
-- reads:  the relation named
-- params:
-- gives:  *
select {{ columns | idents }}
from {{ relation | ident }}
{{ order | order_by }}
