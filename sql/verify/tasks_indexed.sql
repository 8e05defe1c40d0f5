-- verify/tasks_indexed: v3.0: to pandas, the task strings are the index of tasks.parquet
-- LeRobot reads a task's text off that index; without it every text is a number.
-- reads:  datasets, task_index_facts
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select t.src_dataset,
       'meta/tasks.parquet' as file,
       null::bigint as episode,
       null::varchar as feature,
       format(
           'pandas metadata names the index {}, must be ["{}"]',
           coalesce(t.index_columns, 'nowhere'),
           t.task_column
       ) as problem
from task_index_facts t
join datasets d using (src_dataset)
where d.version = 'v3.0'
  and t.index_columns is distinct from format('["{}"]', t.task_column)
order by t.src_dataset
