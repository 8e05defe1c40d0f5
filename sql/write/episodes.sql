-- write/episodes: one meta/episodes file, in the columns and order of LeRobot's recorder, then any of the user's
-- reads:  episode_rows, episode_stats, custom
-- params: $out_dataset, $first_episode, $last_episode, $chunk_index, $file_index, $path
-- gives:  nothing
copy (
    with stats as (
        select out_dataset,
{% for s in plain %}
               {{ s.name | ident }} as {{ s.stored_as | ident }},
{% endfor %}
{% for s in counts %}
               list_transform({{ s.name | ident }}, lambda x: round(x)::bigint) as {{ s.stored_as | ident }},
{% endfor %}
{% for s in nested %}
               list_transform({{ s.name | ident }}, lambda x: [[x]]) as {{ s.stored_as | ident }},
{% endfor %}
               out_episode as episode_index
        from {{ episode_stats | ident }}
    )
    select
{% for name in columns %}
           e.{{ name | ident }},
{% endfor %}
{% for name in stats %}
           s.{{ name | ident }},
{% endfor %}
{% for c in custom %}
           u.{{ c.column | ident }} as {{ c.name | ident }},
{% endfor %}
           $chunk_index::bigint as "meta/episodes/chunk_index",
           $file_index::bigint as "meta/episodes/file_index"
    from {{ episode_rows | ident }} e
    join stats s using (out_dataset, episode_index)
{% if custom %}
    left join custom u
      on u.src_dataset = e.src_dataset
     and u.src_episode = e.src_episode
{% endif %}
    where e.out_dataset = $out_dataset and e.episode_index between $first_episode and $last_episode
    order by e.episode_index
) to $path (format parquet, compression snappy)
