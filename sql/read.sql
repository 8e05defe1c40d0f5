-- read: some columns of a relation, of all its rows or of those with one value in one column
-- reads:  the relation named
-- params: $value
-- gives:  *
select {{ columns | idents }}
from {{ relation | ident }}
{% if where %}
where {{ where | ident }} = $value
{% endif %}
{% if order %}
order by {{ order | idents }}
{% endif %}
