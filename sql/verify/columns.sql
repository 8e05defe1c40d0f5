-- verify/columns: each data file has the declared columns, with the declared types, and no other
-- A vector may be stored with or without its length in the type.
-- reads:  datasets, feature_needs, footer_facts, column_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with schemas as (
    select src_dataset, schema_number, min(data_file) as data_file, count(*) as files
    from footer_facts
    group by src_dataset, schema_number
),
needed as (
    select s.src_dataset, s.schema_number, n.feature, n.kind
    from schemas s
    join feature_needs n using (src_dataset)
    where not n.is_video
),
compared as (
    select src_dataset,
           schema_number,
           feature,
           n.feature is not null as is_needed,
           c.kind is not null as is_found,
           n.kind as needed,
           c.kind as found,
           regexp_replace(n.kind, '\[\d+\]', '[]', 'g') as needed_unsized,
           regexp_replace(c.kind, '\[\d+\]', '[]', 'g') as found_unsized
    from needed n
    full join column_facts c using (src_dataset, schema_number, feature)
)
select c.src_dataset,
       substr(s.data_file, length(d.root) + 2) as file,
       null::bigint as episode,
       c.feature,
       case
           when not c.is_found then 'declared in info.json, no such column'
           when not c.is_needed then format('a column of type {} that info.json does not declare', c.found)
           else format('column of type {}, info.json declares {}', c.found, c.needed)
       end || if(s.files = 1, '', format('; so in {} files', s.files)) as problem
from compared c
join schemas s using (src_dataset, schema_number)
join datasets d using (src_dataset)
where c.is_found <> c.is_needed
   or c.found_unsized <> c.needed_unsized
   or (c.found <> c.needed and c.found <> c.found_unsized and c.needed <> c.needed_unsized)
order by c.src_dataset, s.data_file, c.feature
