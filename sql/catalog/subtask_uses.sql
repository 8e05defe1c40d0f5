-- catalog/subtask_uses: the subtasks of each episode of a source; below 0 is none
-- reads:  the relation named
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, src_subtask BIGINT
select distinct src_dataset, src_episode, subtask_index::bigint as src_subtask
from {{ frames | ident }}
where subtask_index >= 0
order by src_episode, src_subtask
