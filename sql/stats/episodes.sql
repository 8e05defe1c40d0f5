-- stats/episodes: the statistics of each output episode: carried where a source has them, else computed
-- index and episode_index follow from the layout; the quantiles of index are the source's, moved along
-- with its minimum, where the source's range is true.
-- reads:  layout, carried_stats, the computed relations named
-- params:
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
               [c."index/q01", c."index/q10", c."index/q50", c."index/q90", c."index/q99"],
               lambda q: q[1] - c."index/min"[1] + n.from_index
           ) as moved,
           list_transform([0.01, 0.10, 0.50, 0.90, 0.99], lambda q: n.from_index + q * n.span) as exact
    from numbered n
    left join carried_stats c using (src_dataset, src_episode)
),
of_index as (
    select out_dataset,
           out_episode,
           case when source_is_true and list_count(moved) = 5 then moved else exact end as q
    from quantiles_of_index
)
select n.out_dataset,
       n.out_episode,
       [n.from_index::double] as "index/min",
       [(n.to_index - 1)::double] as "index/max",
       [n.from_index + n.span / 2] as "index/mean",
       [sqrt((n.length * n.length - 1) / 12)] as "index/std",
       [i.q[1]] as "index/q01",
       [i.q[2]] as "index/q10",
       [i.q[3]] as "index/q50",
       [i.q[4]] as "index/q90",
       [i.q[5]] as "index/q99",
       [n.length::double] as "index/count",
       [n.out_episode::double] as "episode_index/min",
       [n.out_episode::double] as "episode_index/max",
       [n.out_episode::double] as "episode_index/mean",
       [0::double] as "episode_index/std",
       [n.out_episode::double] as "episode_index/q01",
       [n.out_episode::double] as "episode_index/q10",
       [n.out_episode::double] as "episode_index/q50",
       [n.out_episode::double] as "episode_index/q90",
       [n.out_episode::double] as "episode_index/q99",
       [n.length::double] as "episode_index/count",
{% for f in carried %}
       c.{{ f.name | ident }} as {{ f.name | ident }},
{% endfor %}
{% for f in computed %}
{% for s in f.stats %}
{% if f.carry and f.compute %}
       coalesce(c.{{ s.name | ident }}, {{ f.relation | ident }}.{{ s.stat | ident }}) as {{ s.name | ident }},
{% elif f.carry %}
       c.{{ s.name | ident }},
{% else %}
       {{ f.relation | ident }}.{{ s.stat | ident }} as {{ s.name | ident }},
{% endif %}
{% endfor %}
       [n.length::double] as {{ f.count | ident }},
{% endfor %}
from numbered n
join of_index i using (out_dataset, out_episode)
left join carried_stats c using (src_dataset, src_episode)
{% for f in computed if f.compute %}
left join {{ f.relation | ident }} using (out_dataset, out_episode)
{% endfor %}
order by n.out_dataset, n.out_episode
