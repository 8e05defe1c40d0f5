-- write/episodes: one meta/episodes file, in the columns and order of LeRobot's recorder, then any of the user's
-- reads:  layout, episode_tasks, clip_layout, episode_stats, custom
-- params: $out_dataset, $first_episode, $last_episode, $chunk_index, $file_index, $fps, $cameras, $path
-- gives:  nothing
copy (
    select l.out_episode as episode_index,
           t.tasks,
           l.length,
           l.chunk_index as "data/chunk_index",
           l.file_index as "data/file_index",
           l.from_index as dataset_from_index,
           l.to_index as dataset_to_index,
{% for c in cameras %}
           {{ c.relation | ident }}.chunk_index as {{ c.chunk_index | ident }},
           {{ c.relation | ident }}.file_index as {{ c.file_index | ident }},
           {{ c.relation | ident }}.from_frame / $fps::double as {{ c.from_timestamp | ident }},
           {{ c.relation | ident }}.to_frame / $fps::double as {{ c.to_timestamp | ident }},
{% endfor %}
{% for s in stats %}
{% if s.kind == 0 %}
           s.{{ s.name | ident }} as {{ s.column | ident }},
{% elif s.kind == 1 %}
           list_transform(s.{{ s.name | ident }}, lambda x: round(x)::bigint) as {{ s.column | ident }},
{% else %}
           list_transform(s.{{ s.name | ident }}, lambda x: [[x]]) as {{ s.column | ident }},
{% endif %}
{% endfor %}
{% for c in custom %}
           u.{{ c.column | ident }} as {{ c.name | ident }},
{% endfor %}
           $chunk_index::bigint as "meta/episodes/chunk_index",
           $file_index::bigint as "meta/episodes/file_index"
    from layout l
    left join episode_tasks t using (out_dataset, out_episode)
    join episode_stats s using (out_dataset, out_episode)
{% for c in cameras %}
    join clip_layout {{ c.relation | ident }}
      on {{ c.relation | ident }}.out_dataset = l.out_dataset
     and {{ c.relation | ident }}.out_episode = l.out_episode
     and {{ c.relation | ident }}.camera = list_extract($cameras, {{ loop.index }})
{% endfor %}
    left join custom u
      on u.src_dataset = l.src_dataset
     and u.src_episode = l.src_episode
    where l.out_dataset = $out_dataset and l.out_episode between $first_episode and $last_episode
    order by l.out_episode
) to $path (format parquet, compression snappy)
