-- catalog/task_column_uses: the numbers that a feature has in each episode of a source; below 0 and NaN are
-- none, and what is no whole number is null
-- reads:  the relation named
-- params: $feature
-- gives:  src_dataset VARCHAR, src_episode BIGINT, feature VARCHAR, src_task BIGINT
with held as (
  select src_dataset,
         src_episode,
         {{ column | ident }} as number,
         {{ column | ident }}::double = trunc({{ column | ident }}::double) as is_whole
  from {{ frames | ident }}
  where not isnan({{ column | ident }}::double)
)
select distinct src_dataset,
                src_episode,
                $feature as feature,
                case when is_whole then coalesce(try_cast(number as bigint), 9223372036854775807) end as src_task
from held
where number >= 0 or not is_whole
order by src_episode, src_task
