-- verify/tasks_unique: no two tasks have the same text
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
    where task is not null
    window same_task as (partition by src_dataset, task order by row_number)
)
select l.src_dataset,
       if(d.version = 'v3.0', 'meta/tasks.parquet', 'meta/tasks.jsonl') as file,
       null::bigint as episode,
       null::varchar as feature,
       format('task {} has the same text as task {}: "{}"', l.src_task, l.first_task, l.task) as problem
from listed l
join datasets d using (src_dataset)
where l.nth > 1
order by l.src_dataset, l.row_number
