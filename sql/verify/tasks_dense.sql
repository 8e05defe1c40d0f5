-- verify/tasks_dense: row i of the task list is task i, and no task stands there twice
-- reads:  datasets, tasks
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with listed as (
    select src_dataset,
           src_task,
           task,
           row_number,
           first_value(src_task) over same_task as first_task,
           row_number() over same_task as nth
    from tasks
    window same_task as (partition by src_dataset, task order by row_number)
)
select l.src_dataset,
       if(d.version = 'v3.0', 'meta/tasks.parquet', 'meta/tasks.jsonl') as file,
       null::bigint as episode,
       null::varchar as feature,
       case
           when l.src_task is null then format('row {} has no task_index', l.row_number)
           when l.src_task <> l.row_number
               then format('row {} is task {}; row i must be task i', l.row_number, l.src_task)
           when l.task is null then format('task {} has no text', l.src_task)
           else format('task {} has the same text as task {}: "{}"', l.src_task, l.first_task, l.task)
       end as problem
from listed l
join datasets d using (src_dataset)
where l.src_task is distinct from l.row_number
   or l.task is null
   or l.nth > 1
order by l.src_dataset, l.row_number
