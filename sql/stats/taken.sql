-- stats/taken: the statistics that sources carry, by the output's names of their features; null where one has none
-- reads:  the relations named
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, *
{% for source in sources %}
select src_dataset,
       src_episode
{% for c in source.columns %}
       , {{ c.stored | ident }} as {{ c.name | ident }}
{% endfor %}
from {{ source.relation | ident }}
{% if not loop.last %}
union all by name
{% endif %}
{% endfor %}
