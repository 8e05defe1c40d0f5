-- catalog/task_column_uses: the numbers that a feature has in each episode of a source; below 0 is none
-- reads:  the relation named
-- params: $feature
-- gives:  src_dataset VARCHAR, src_episode BIGINT, feature VARCHAR, src_task BIGINT
select distinct src_dataset,
                src_episode,
                $feature as feature,
                coalesce(try_cast({{ column | ident }} as bigint), 9223372036854775807) as src_task
from {{ frames | ident }}
where {{ column | ident }} >= 0
order by src_episode, src_task
