-- statistics/of_index: what each output episode's source has stored of `index`, a number each, and whether none is missing
-- reads:  output_episodes, stored_stats
-- params:
-- gives:  is_known BOOLEAN, *
select
{% for name in names %}
       c.{{ name | ident }}[1] is not null {% if not loop.last %}and{% else %}as is_known,{% endif %}

{% endfor %}
{% for name in names %}
       c.{{ name | ident }}[1] as {{ name | ident }}{% if not loop.last %},{% endif %}

{% endfor %}
from output_episodes e
left join stored_stats c using (src_dataset, src_episode)
order by e.out_dataset, e.out_episode
