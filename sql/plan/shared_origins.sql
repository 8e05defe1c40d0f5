-- plan/shared_origins: how many planned episodes come from a recording that several sources hold, and one of these
-- Where a source has no lineage it is the recording itself, by the path that was given and by its folder.
-- reads:  plan, datasets, lineage
-- params:
-- gives:  out_dataset VARCHAR, episodes BIGINT, example VARCHAR
with firsts as (
    select src_dataset,
           src_episode,
           arg_max(from_path, step) as origin,
           arg_max(from_episode, step) as origin_episode
    from lineage
    group by src_dataset, src_episode
),
recorded as (
    select p.src_dataset, p.src_episode, d.path, d.root
    from plan p
    join datasets d using (src_dataset)
    anti join firsts f using (src_dataset, src_episode)
),
origins as (
    select src_dataset, src_episode, rtrim(origin, '/') as origin, origin_episode from firsts
    union
    select src_dataset, src_episode, rtrim(path, '/'), src_episode from recorded
    union
    select src_dataset, src_episode, root, src_episode from recorded
),
shared as (
    select p.out_dataset,
           o.origin,
           o.origin_episode,
           list_sort(list(distinct o.src_dataset)) as sources,
           count(distinct (p.src_dataset, p.src_episode)) as episodes
    from plan p
    join origins o using (src_dataset, src_episode)
    group by p.out_dataset, o.origin, o.origin_episode
    having count(distinct o.src_dataset) > 1
)
select out_dataset,
       sum(episodes - 1)::bigint as episodes,
       first(
           format(
               'episode {} of {} is in "{}" and "{}"', origin_episode, origin, sources[1], sources[2]
           )
           order by origin, origin_episode
       ) as example
from shared
group by out_dataset
order by out_dataset
