-- stats/missing: of how many planned episodes each feature lacks a statistic
-- reads:  plan, carried_stats
-- params:
-- gives:  feature_number BIGINT, episodes BIGINT
with needed as (
    select c.* from plan p left join carried_stats c using (src_dataset, src_episode)
)
{% for feature in features %}
select {{ loop.index0 }}::bigint as feature_number,
       count(*) filter (where {% for name in feature %}{{ name | ident }} is null{% if not loop.last %} or {% endif %}{% endfor %}) as episodes
from needed
{% if not loop.last %}
union all
{% endif %}
{% endfor %}
order by feature_number
