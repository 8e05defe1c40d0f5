-- stats/summarise: exact statistics of one column over frames, a number per dimension: by episode or over all
-- Arrays are reduced over all axes but the last, as LeRobot does. A NaN makes every statistic NaN, as in numpy.
-- reads:  parquet
-- params: $files, $width, $from_place, $to_place
-- gives:  out_episode BIGINT, min DOUBLE[], max DOUBLE[], mean DOUBLE[], std DOUBLE[], quantiles DOUBLE[][]
with vectors as (
    select {% if by_episode %}episode_index::bigint{% else %}null::bigint{% endif %} as out_episode,
{% if depth == 0 %}
           [{{ column | ident }}::double] as numbers
{% else %}
           {% for _ in range(depth - 1) %}flatten({% endfor %}{{ column | ident }}{% for _ in range(depth - 1) %}){% endfor %}::double[] as numbers
{% endif %}
    from read_parquet($files, hive_partitioning = false)
),
numbers as (
    select out_episode,
           unnest(numbers) as x,
           (generate_subscripts(numbers, 1) - 1) % $width as place
    from vectors
),
summaries as (
    select out_episode,
           place,
           bool_or(isnan(x)) as has_nan,
           min(x) as lowest,
           max(x) as highest,
           avg(x) as average,
           stddev_pop(x) filter (where isfinite(x)) as deviation,
           bool_and(isfinite(x)) as all_finite,
           quantile_cont(x, [0.01, 0.10, 0.50, 0.90, 0.99]) as quantiles
    from numbers
    where place >= $from_place and place < $to_place
    group by out_episode, place
)
select out_episode,
       list(case when has_nan then 'nan'::double else lowest end order by place) as min,
       list(case when has_nan then 'nan'::double else highest end order by place) as max,
       list(average order by place) as mean,
       list(case when all_finite then deviation else 'nan'::double end order by place) as std,
       list(case when has_nan then list_transform(quantiles, lambda q: 'nan'::double) else quantiles end order by place) as quantiles
from summaries
group by out_episode
order by out_episode
