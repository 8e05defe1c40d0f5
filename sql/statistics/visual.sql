-- statistics/visual: a camera's statistics over an output, from those of its episodes, weighted by their frames
-- Pictures are not decoded. Minimum and maximum are exact over what the episodes' statistics saw; mean and
-- std are pooled; a quantile is the frame-weighted mean of the episodes' quantiles, as LeRobot 0.6.1 combines
-- them. Weights are frames, never `count`: some recorders count pixels there.
-- reads:  episode_stats
-- params: $out_dataset
-- gives:  *
with known as (
    select length as weight,
           {{ stats | each("{value} as {key}, ") }}
           coalesce({{ counts | each("{}[1], ") }} length) as "count"
    from {{ episode_stats | ident }}
    where out_dataset = $out_dataset
),
channels as (
    select weight,
           generate_subscripts("min", 1) as channel,
           {{ stats | each("unnest({key}) as {key}, ") }}
           "count"
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
           {{ quantiles | each("sum(weight * {}) / sum(weight) as {}, ") }}
           sum("count") as "count"
    from centres
    group by channel
)
select {{ stats | each("list({key} order by channel) as {key}, ") }}
       list("count" order by channel) as "count"
from pooled
