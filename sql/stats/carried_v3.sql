-- stats/carried_v3: the per-episode statistics of a v3.0 source, flat; null where absent or of another shape
-- reads:  parquet
-- params: $src_dataset, $files
-- gives:  src_dataset VARCHAR, src_episode BIGINT, *
with flat as (
    select episode_index::bigint as src_episode
{% for c in columns %}
           , {% for _ in range(c.depth - 1) %}flatten({% endfor %}{{ c.stored | ident }}{% for _ in range(c.depth - 1) %}){% endfor %}::double[] as {{ c.name | ident }}
{% endfor %}
    from read_parquet($files, hive_partitioning = false, union_by_name = true)
)
select $src_dataset as src_dataset,
       src_episode
{% for c in columns %}
       , case when len({{ c.name | ident }}) = {{ c.size }} then {{ c.name | ident }} end as {{ c.name | ident }}
{% endfor %}
{% for name in absent %}
       , null::double[] as {{ name | ident }}
{% endfor %}
from flat
order by src_episode
