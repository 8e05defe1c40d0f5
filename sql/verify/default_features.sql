-- verify/default_features: the five features of every dataset are declared, with their types
-- reads:  datasets, features
-- params: $names, $dtypes
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with needs as (
    select d.src_dataset, unnest($names::varchar[]) as feature, unnest($dtypes::varchar[]) as dtype
    from datasets d
)
select n.src_dataset,
       'meta/info.json' as file,
       null::bigint as episode,
       n.feature,
       case
           when f.feature is null then format('not declared; every dataset has it, as {}', n.dtype)
           else format('declared as {}{}, must be {}[1]', f.dtype, f.shape::varchar, n.dtype)
       end as problem
from needs n
left join features f on f.src_dataset = n.src_dataset and f.feature = n.feature
where f.feature is null
   or f.dtype <> n.dtype
   or f.shape not in ([]::bigint[], [1]::bigint[])
order by n.src_dataset, n.feature
