-- stats/rows: where in the data files the rows of each episode lie, in the order of the rows
-- reads:  declared, placement
-- params:
-- gives:  data_file VARCHAR, row_from BIGINT, row_to BIGINT
select p.data_file,
       p.row_from,
       p.row_to
from placement p
semi join declared d using (src_dataset, src_episode)
order by p.data_file, p.row_from
