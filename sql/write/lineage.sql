-- write/lineage: where each episode of one output came from: by this operation, then by those before it
-- The frames [from_frame, to_frame) are those of the episode that it came from; one of pieces has a row for each.
-- Episodes of the dataset that others are put behind are `untouched`: nothing is added to what was known of them.
-- reads:  episode_rows, plan, datasets, lineage
-- params: $untouched, $out_dataset, $command, $version, $path
-- gives:  nothing
copy (
    select l.episode_index as episode_index,
           0::bigint as step,
           p.src_dataset as from_dataset,
           d.path as from_path,
           p.src_episode as from_episode,
           p.from_frame,
           p.to_frame,
           $command::varchar as command,
           $version::varchar as version
    from episode_rows l
    join plan p on p.out_dataset = l.out_dataset and p.out_episode = l.episode_index
    join datasets d on d.src_dataset = p.src_dataset
    where l.out_dataset = $out_dataset
      and l.src_dataset is distinct from $untouched::varchar
    union all
    select l.episode_index,
           g.step + (l.src_dataset is distinct from $untouched::varchar)::bigint,
           g.from_dataset,
           g.from_path,
           g.from_episode,
           g.from_frame,
           g.to_frame,
           g.command,
           g.version
    from episode_rows l
    join (
        select distinct out_dataset, out_episode, src_dataset, src_episode from plan
    ) p on p.out_dataset = l.out_dataset and p.out_episode = l.episode_index
    join lineage g on g.src_dataset = p.src_dataset and g.src_episode = p.src_episode
    where l.out_dataset = $out_dataset
    order by episode_index, step, from_episode, from_frame
) to $path (format parquet, compression zstd)
