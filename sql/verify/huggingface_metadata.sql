-- verify/huggingface_metadata: each data file tells Hugging Face `datasets` the declared type of every column
-- A language column's type is whatever its annotator wrote; beside one, columns may go untold.
-- reads:  datasets, feature_needs, footer_facts, column_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with schemas as (
    select src_dataset,
           schema_number,
           min(data_file) as data_file,
           count(*) as files,
           any_value(has_huggingface) as has_huggingface
    from footer_facts
    group by src_dataset, schema_number
),
language as (
    select src_dataset, bool_or(huggingface is null) as is_there
    from feature_needs
    where not is_video
    group by src_dataset
),
missing as (
    select s.src_dataset,
           s.schema_number,
           null::varchar as feature,
           'no "huggingface" key in the schema metadata' as problem
    from schemas s
    join language l using (src_dataset)
    where not s.has_huggingface
      and not l.is_there
),
different as (
    select s.src_dataset,
           s.schema_number,
           n.feature,
           format(
               'schema metadata tells `datasets` {}, must tell {}',
               coalesce(c.huggingface, 'nothing'),
               n.huggingface
           ) as problem
    from schemas s
    join language l using (src_dataset)
    join feature_needs n using (src_dataset)
    left join column_facts c using (src_dataset, schema_number, feature)
    where s.has_huggingface
      and n.huggingface is not null
      and c.huggingface is distinct from n.huggingface
      and (c.huggingface is not null or not l.is_there)
),
undeclared as (
    select s.src_dataset,
           s.schema_number,
           c.feature,
           'schema metadata tells `datasets` of a column that info.json does not declare' as problem
    from schemas s
    join column_facts c using (src_dataset, schema_number)
    where c.huggingface is not null
      and not exists (
          from feature_needs n
          where n.src_dataset = s.src_dataset
            and n.feature = c.feature
            and not n.is_video
      )
)
select f.src_dataset,
       substr(s.data_file, length(d.root) + 2) as file,
       null::bigint as episode,
       f.feature,
       f.problem || if(s.files = 1, '', format('; so in {} files', s.files)) as problem
from (
    from missing
    union all
    from different
    union all
    from undeclared
) f
join schemas s using (src_dataset, schema_number)
join datasets d using (src_dataset)
order by f.src_dataset, s.data_file, f.feature
