-- statistics/rows: where in the data files the rows of each episode lie, in the order of the rows
-- reads:  declared, placement
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, data_file VARCHAR, row_from BIGINT, row_to BIGINT
select p.src_dataset,
       p.src_episode,
       p.data_file,
       p.row_from,
       p.row_to
from placement p
semi join declared d using (src_dataset, src_episode)
order by p.data_file, p.row_from
