-- stats/carried_whole: the per-episode statistics of a source that only has those of the whole dataset (v2.0)
-- What is known of an episode's pictures is what is known of its dataset's: pooled over all episodes by their
-- frames it is true again. Everything else is null, to be computed.
-- reads:  declared, whole
-- params: $src_dataset
-- gives:  src_dataset VARCHAR, src_episode BIGINT, *
select d.src_dataset,
       d.src_episode
{% for name in present %}
       , w.{{ name | ident }}
{% endfor %}
{% for name in counts %}
       , [d.length::double] as {{ name | ident }}
{% endfor %}
{% for name in absent %}
       , null::double[] as {{ name | ident }}
{% endfor %}
from {{ declared | ident }} d
cross join {{ whole | ident }} w
where d.src_dataset = $src_dataset
order by d.src_episode
