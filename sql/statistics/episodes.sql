-- statistics/episodes: the statistics of each output episode: carried where a source has them, else computed
-- index and episode_index follow from the layout; the quantiles of index are the source's, moved along
-- with its minimum, where the source's range is true. A count is of the frames that have a value.
-- reads:  layout, stored_stats, the computed relations named
-- params: $quantiles
-- gives:  out_dataset VARCHAR, out_episode BIGINT, *
with numbered as (
    select *,
           length - 1 as span
    from layout
),
quantiles_of_index as (
    select n.out_dataset,
           n.out_episode,
           c."index/max"[1] - c."index/min"[1] = n.span as source_is_true,
           list_transform(
               [{% for q in quantiles %}{% if q.carry %}c.{{ q.index | ident }}{% else %}null::double[]{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}],
               lambda q: q[1] - c."index/min"[1] + n.from_index
           ) as moved,
           list_transform($quantiles::double[], lambda q: n.from_index + q * n.span) as exact
    from numbered n
    left join stored_stats c using (src_dataset, src_episode)
),
of_index as (
    select out_dataset,
           out_episode,
           case when source_is_true and list_count(moved) = len(moved) then moved else exact end as q
    from quantiles_of_index
)
select n.out_dataset,
       n.out_episode,
       [n.from_index::double] as "index/min",
       [(n.to_index - 1)::double] as "index/max",
       [n.from_index + n.span / 2] as "index/mean",
       [sqrt((n.length * n.length - 1) / 12)] as "index/std",
{% for q in quantiles %}
       [i.q[{{ loop.index }}]] as {{ q.index | ident }},
{% endfor %}
       [n.length::double] as "index/count",
       [n.out_episode::double] as "episode_index/min",
       [n.out_episode::double] as "episode_index/max",
       [n.out_episode::double] as "episode_index/mean",
       [0::double] as "episode_index/std",
{% for q in quantiles %}
       [n.out_episode::double] as {{ q.episode_index | ident }},
{% endfor %}
       [n.length::double] as "episode_index/count",
{% for f in carried %}
       c.{{ f.name | ident }} as {{ f.name | ident }},
{% endfor %}
{% for f in computed %}
{% for s in f.stats %}
{% if s.carry and f.compute %}
       coalesce(c.{{ s.name | ident }}, {{ f.relation | ident }}.{{ s.stat | ident }}) as {{ s.name | ident }},
{% elif s.carry %}
       c.{{ s.name | ident }},
{% else %}
       {{ f.relation | ident }}.{{ s.stat | ident }} as {{ s.name | ident }},
{% endif %}
{% endfor %}
{% if f.count and f.counted %}
       coalesce({{ f.relation | ident }}."count", [n.length::double]) as {{ f.count | ident }},
{% elif f.count %}
       [n.length::double] as {{ f.count | ident }},
{% endif %}
{% endfor %}
from numbered n
join of_index i using (out_dataset, out_episode)
left join stored_stats c using (src_dataset, src_episode)
{% for f in computed if f.compute or f.counted %}
left join {{ f.relation | ident }} using (out_dataset, out_episode)
{% endfor %}
order by n.out_dataset, n.out_episode
