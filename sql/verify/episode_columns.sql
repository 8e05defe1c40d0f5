-- verify/episode_columns: per-episode columns belong to declared features, and all files have the same
-- reads:  features, episode_column_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with named as (
    select src_dataset,
           file,
           column_name,
           split_part(column_name, '/', 1) as family,
           split_part(column_name, '/', 2) as feature
    from episode_column_facts
    where regexp_matches(column_name, '^(stats|videos)/[^/]+/[^/]+$')
),
stale as (
    select distinct n.src_dataset,
           n.file,
           n.feature,
           format(
               '{}/{}/… columns of a feature that info.json does not declare', n.family, n.feature
           ) as problem
    from named n
    where not exists (
        from features f
        where f.src_dataset = n.src_dataset
          and f.feature = n.feature
          and (n.family = 'stats' or f.dtype = 'video')
    )
),
files as (
    select src_dataset, count(distinct file) as files
    from episode_column_facts
    group by src_dataset
),
uneven as (
    select c.src_dataset,
           min(c.file) as file,
           null::varchar as feature,
           if(
               count(*) < any_value(f.files),
               format('column {} is in {} of {} files', c.column_name, count(*), any_value(f.files)),
               format('column {} is {} in one file, {} in another', c.column_name, min(c.kind), max(c.kind))
           ) as problem
    from episode_column_facts c
    join files f using (src_dataset)
    group by c.src_dataset, c.column_name
    having count(*) < any_value(f.files)
        or count(distinct c.kind) > 1
)
select src_dataset,
       file,
       null::bigint as episode,
       feature,
       problem
from (
    from stale
    union all
    from uneven
)
order by src_dataset, file, feature, problem
