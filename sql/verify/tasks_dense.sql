-- verify/tasks_dense: row i of the task list is task i, and has a text
-- reads:  datasets, tasks
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select l.src_dataset,
       if(d.version = 'v3.0', 'meta/tasks.parquet', 'meta/tasks.jsonl') as file,
       null::bigint as episode,
       null::varchar as feature,
       case
           when l.src_task is null then format('row {} has no task_index', l.row_number)
           when l.src_task <> l.row_number
               then format('row {} is task {}; row i must be task i', l.row_number, l.src_task)
           else format('task {} has no text', l.src_task)
       end as problem
from tasks l
join datasets d using (src_dataset)
where l.src_task is distinct from l.row_number
   or l.task is null
order by l.src_dataset, l.row_number
