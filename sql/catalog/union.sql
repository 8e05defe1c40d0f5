-- catalog/union: the same relation of every source, as one; columns are matched by name
-- reads:  the relations named
-- params:
-- gives:  *
{% for relation in relations %}
select * from {{ relation | ident }}
{% if not loop.last %}
union all by name
{% endif %}
{% endfor %}
