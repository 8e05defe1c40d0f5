-- statistics/visual: a camera's statistics over an output, from those of its episodes, weighted by their frames
-- Pictures are not decoded. Minimum and maximum are exact over what the episodes' statistics saw; mean and
-- std are pooled; a quantile is the frame-weighted mean of the episodes' quantiles, as LeRobot 0.6.1 combines
-- them. Weights are frames, never `count`: some recorders count pixels there.
-- reads:  layout, episode_stats
-- params: $out_dataset
-- gives:  *
with known as (
    select l.length as weight,
{% for stat in stats %}
           s.{{ stats[stat] | ident }} as {{ stat | ident }}{% if not loop.last %},{% endif %}

{% endfor %}
    from layout l
    join episode_stats s using (out_dataset, out_episode)
    where l.out_dataset = $out_dataset
),
channels as (
    select weight,
           generate_subscripts("min", 1) as channel,
{% for stat in stats if stat != "count" %}
           unnest({{ stat | ident }}) as {{ stat | ident }},
{% endfor %}
           {% if "count" in stats %}coalesce("count"[1], weight){% else %}weight{% endif %} as "count"
    from known
    where "min" is not null and "max" is not null and "mean" is not null and "std" is not null
),
centres as (
    select *,
           sum(weight * mean) over (partition by channel) / sum(weight) over (partition by channel) as centre
    from channels
),
pooled as (
    select channel,
           min("min") as "min",
           max("max") as "max",
           any_value(centre) as "mean",
           sqrt(sum(weight * (std * std + (mean - centre) * (mean - centre))) / sum(weight)) as "std",
{% for stat in stats if stat not in ("min", "max", "mean", "std", "count") %}
           sum(weight * {{ stat | ident }}) / sum(weight) as {{ stat | ident }},
{% endfor %}
           sum("count") as "count"
    from centres
    group by channel
)
select
{% for stat in stats %}
       list({{ stat | ident }} order by channel) as {{ stat | ident }}{% if not loop.last %},{% endif %}

{% endfor %}
from pooled
