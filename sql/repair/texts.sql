-- repair/texts: the tasks that have a number and a text
-- reads:  tasks
-- params:
-- gives:  src_task BIGINT, task VARCHAR
select distinct src_task, task
from tasks
where src_task is not null and task is not null
order by src_task, task
