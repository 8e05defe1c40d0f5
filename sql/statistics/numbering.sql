-- statistics/numbering: where the rows of each episode lie and which numbers they hold, in the order of the rows
-- index_from is null unless `index` rises by one from each row of the episode to the next.
-- reads:  declared, placement
-- params:
-- gives:  src_episode BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT, frames BIGINT, index_from BIGINT, task_frames MAP(BIGINT, UBIGINT)
select p.src_episode,
       p.data_file,
       p.row_from,
       p.row_to,
       p.rows as frames,
       if(p.index_in_order, p.index_from, null) as index_from,
       p.task_frames
from placement p
semi join declared d using (src_dataset, src_episode)
order by p.data_file, p.row_from
