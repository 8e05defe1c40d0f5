-- plan/pieces_of_several_tasks: the planned parts of episodes whose frames have several tasks, and where their rows are
-- reads:  plan, placement, episodes
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, data_file VARCHAR, row_from BIGINT
select distinct p.src_dataset, p.src_episode, p.from_frame, p.to_frame, e.data_file, e.row_from + p.from_frame as row_from
from plan p
join episodes e using (src_dataset, src_episode)
join placement r using (src_dataset, src_episode)
where (p.from_frame > 0 or p.to_frame < e.length) and cardinality(r.task_frames) > 1
order by p.src_dataset, e.data_file, row_from
