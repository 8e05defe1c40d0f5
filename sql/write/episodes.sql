-- write/episodes: one meta/episodes file, of the rows that write/episodes_of_files gives
-- reads:  the relation named
-- params: $first_episode, $last_episode, $chunk_index, $file_index, $path
-- gives:  nothing
copy (
    select *,
           $chunk_index::bigint as "meta/episodes/chunk_index",
           $file_index::bigint as "meta/episodes/file_index"
    from {{ rows | ident }}
    where episode_index between $first_episode and $last_episode
    order by episode_index
) to $path (format parquet, compression snappy)
