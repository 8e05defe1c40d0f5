-- stats/carried_none: the per-episode statistics of a source that has none (v2.0)
-- reads:  declared
-- params: $src_dataset
-- gives:  src_dataset VARCHAR, src_episode BIGINT, *
select src_dataset,
       src_episode
{% for name in absent %}
       , null::double[] as {{ name | ident }}
{% endfor %}
from declared
where src_dataset = $src_dataset
order by src_episode
