-- verify/task_columns: features that look as if they held task numbers have only numbers of the task list
-- reads:  task_column_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select src_dataset,
       null::varchar as file,
       min(src_episode) as episode,
       feature,
       format('{} has no single text in the task list; so in {} episodes', src_task, count(*)) as problem
from task_column_facts
group by src_dataset, feature, src_task
order by src_dataset, feature, src_task
