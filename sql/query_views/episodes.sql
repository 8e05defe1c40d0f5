-- query_views/episodes: everything known of each episode, as users query it
-- reads:  datasets, episodes, placement, clips, custom
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, length BIGINT, seconds DOUBLE, task VARCHAR, tasks VARCHAR[], fps DOUBLE, robot_type VARCHAR, from_index BIGINT, to_index BIGINT, data_file VARCHAR, video_files MAP(VARCHAR, VARCHAR), *
with videos as (
    select c.src_dataset,
           c.src_episode,
           map(
               list(c.camera order by c.camera),
               list(substr(c.video_file, length(d.root) + 2) order by c.camera)
           ) as video_files
    from clips c
    join datasets d using (src_dataset)
    group by c.src_dataset, c.src_episode
)
select e.src_dataset,
       e.src_episode,
       e.length,
       e.seconds,
       e.task,
       e.tasks,
       d.fps,
       d.robot_type,
       coalesce(e.from_index, p.index_from) as from_index,
       coalesce(e.to_index, p.index_from + e.length) as to_index,
       substr(e.data_file, length(d.root) + 2) as data_file,
       coalesce(v.video_files, map([]::varchar[], []::varchar[])) as video_files
       {{ custom | each(", x.{name} as {shown}") }}
from episodes e
join datasets d using (src_dataset)
left join placement p using (src_dataset, src_episode)
left join videos v using (src_dataset, src_episode)
left join custom x using (src_dataset, src_episode)
order by d.src_position, e.src_episode
