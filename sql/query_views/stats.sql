-- query_views/stats: the statistics of each episode, in the order of query_views/episodes, as users query them
-- Lists of numbers, flat: stats.action.max[1]; null where a source has none.
-- reads:  datasets, episodes, stored_stats
-- params:
-- gives:  *
select struct_pack(
{% for f in features %}
           {{ f.name | ident }} := struct_pack(
               {{ f.stats | each("{stat} := c.{column}", ", ") }}
           ){% if not loop.last %},{% endif %}

{% endfor %}
       ) as stats
from episodes e
join datasets d using (src_dataset)
left join stored_stats c using (src_dataset, src_episode)
order by d.src_position, e.src_episode
