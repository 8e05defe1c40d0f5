-- catalog/odd_files: data files whose columns differ from those of their source's first file, and in what
-- DuckDB reads many files by the first one's schema: it would drop or narrow the others' columns silently.
-- reads:  the relations named
-- params:
-- gives:  src_dataset VARCHAR, file_name VARCHAR, more VARCHAR[], less VARCHAR[]
with leaves as (
{% for source in sources %}
    select src_dataset, file_name, leaf from {{ source | ident }}
    {% if not loop.last %}
    union all
    {% endif %}
{% endfor %}
),
shapes as (
    select src_dataset, file_name, list(leaf order by leaf) as shape
    from leaves
    group by src_dataset, file_name
),
compared as (
    select *, first_value(shape) over (partition by src_dataset order by file_name) as first_shape
    from shapes
)
select src_dataset,
       file_name,
       list_filter(shape, lambda leaf: not list_contains(first_shape, leaf)) as more,
       list_filter(first_shape, lambda leaf: not list_contains(shape, leaf)) as less
from compared
where shape <> first_shape
order by src_dataset, file_name
