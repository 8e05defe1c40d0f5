-- layout/reads: how the rows of each output data file are fetched, in order
-- Neighbours that stand one behind the other in one source file are one read. A read that takes a file
-- whole needs no condition, so runs of such files (v2.x keeps one an episode) are fetched by one query.
-- reads:  layout, placement
-- params:
-- gives:  out_dataset VARCHAR, file_number BIGINT, chunk_index BIGINT, file_index BIGINT, query BIGINT, src_dataset VARCHAR, whole BOOLEAN, files VARCHAR[], first_episode BIGINT, last_episode BIGINT, rows BIGINT
with file_rows as (
    select src_dataset, data_file, sum(rows) as rows_in_file
    from placement
    group by src_dataset, data_file
),
marked as (
    select *,
           not coalesce(
               lag(src_dataset) over in_file = src_dataset
               and lag(data_file) over in_file = data_file
               and lag(row_to) over in_file = row_from
               and lag(src_episode) over in_file + 1 = src_episode,
               false
           ) as opens_read
    from layout
    window in_file as (partition by out_dataset, file_number order by out_episode)
),
numbered as (
    select *,
           sum(opens_read::bigint) over (
               partition by out_dataset, file_number order by out_episode
               rows between unbounded preceding and current row
           ) as read_number
    from marked
),
ranges as (
    select n.out_dataset,
           n.file_number,
           n.chunk_index,
           n.file_index,
           n.read_number,
           n.src_dataset,
           n.data_file,
           min(n.src_episode) as first_episode,
           max(n.src_episode) as last_episode,
           sum(n.src_length) as rows,
           sum(n.src_length) = any_value(f.rows_in_file) as whole
    from numbered n
    join file_rows f using (src_dataset, data_file)
    group by n.out_dataset, n.file_number, n.chunk_index, n.file_index,
             n.read_number, n.src_dataset, n.data_file
),
followed as (
    select *,
           not coalesce(
               whole
               and lag(whole) over in_file
               and lag(src_dataset) over in_file = src_dataset,
               false
           ) as opens_query
    from ranges
    window in_file as (partition by out_dataset, file_number order by read_number)
),
grouped as (
    select *,
           sum(opens_query::bigint) over (
               partition by out_dataset, file_number order by read_number
               rows between unbounded preceding and current row
           ) as query
    from followed
)
select out_dataset,
       file_number,
       chunk_index,
       file_index,
       query::bigint as query,
       any_value(src_dataset) as src_dataset,
       any_value(whole) as whole,
       list(data_file order by read_number) as files,
       min(first_episode) as first_episode,
       max(last_episode) as last_episode,
       sum(rows)::bigint as rows
from grouped
group by out_dataset, file_number, chunk_index, file_index, query
order by out_dataset, file_number, query
