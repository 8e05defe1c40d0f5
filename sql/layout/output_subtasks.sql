-- layout/output_subtasks: the subtasks of one output; row i is subtask i, readers go by position
-- reads:  out_subtasks
-- params: $out_dataset
-- gives:  subtask_index BIGINT, subtask VARCHAR
select subtask_index, subtask
from out_subtasks
where out_dataset = $out_dataset
order by subtask_index
