-- read_where: some columns of a relation, of the rows with one value in one column
-- reads:  the relation named
-- params: $value
-- gives:  *
select {{ columns | idents }}
from {{ relation | ident }}
where {{ where | ident }} = $value
{{ order | order_by }}
