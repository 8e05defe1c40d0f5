-- catalog/odd_files: data files whose columns differ from those of their source's first file
-- DuckDB reads many files by the first one's schema: it would drop or narrow the others' columns silently.
-- reads:  the relations named
-- params:
-- gives:  src_dataset VARCHAR, file_name VARCHAR
with leaves as (
    {{ sources | each("select src_dataset, file_name, leaf from {}", " union all ") }}
),
shapes as (
    select src_dataset, file_name, list(leaf order by leaf) as shape
    from leaves
    group by src_dataset, file_name
)
select src_dataset, file_name
from shapes
qualify shape <> first_value(shape) over (partition by src_dataset order by file_name)
order by src_dataset, file_name
