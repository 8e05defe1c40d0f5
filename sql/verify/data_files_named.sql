-- verify/data_files_named: v3.0: parquet files are named chunk-NNN/file-NNN, from 000/000 without a gap
-- Readers take every parquet file there is, in the order of the names as text.
-- reads:  datasets, file_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with numbers as (
    select f.src_dataset,
           f.family,
           f.file,
           regexp_matches(f.file, '^' || f.family || '/chunk-\d{3}/file-\d{3}\.parquet$') as is_named,
           try_cast(regexp_extract(f.file, 'chunk-(\d+)/', 1) as bigint) as chunk,
           try_cast(regexp_extract(f.file, 'file-(\d+)\.', 1) as bigint) as number
    from file_facts f
    join datasets d using (src_dataset)
    where d.version = 'v3.0'
      and f.family <> 'videos'
),
sequence as (
    select src_dataset,
           family,
           file,
           chunk,
           number,
           lag(chunk) over (partition by src_dataset, family order by file) as chunk_before,
           lag(number) over (partition by src_dataset, family order by file) as number_before
    from numbers
    where is_named
),
unnamed as (
    select src_dataset,
           file,
           format(
               'readers would take it for data; only {}/chunk-NNN/file-NNN.parquet, below 1000, may be here',
               family
           ) as problem
    from numbers
    where not is_named
),
gaps as (
    select src_dataset,
           file,
           if(
               chunk_before is null,
               'the first file must be chunk-000/file-000',
               format('follows chunk-{:03d}/file-{:03d}; a number is left out', chunk_before, number_before)
           ) as problem
    from sequence
    where not coalesce(
        (chunk = chunk_before and number = number_before + 1)
            or (chunk = chunk_before + 1 and number = 0),
        chunk = 0 and number = 0
    )
)
select src_dataset,
       file,
       null::bigint as episode,
       null::varchar as feature,
       problem
from (
    from unnamed
    union all
    from gaps
)
order by src_dataset, file
