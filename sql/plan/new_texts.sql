-- plan/new_texts: which text of a task becomes which, and in how many episodes; most first
-- reads:  relabels
-- params:
-- gives:  task VARCHAR, new_task VARCHAR, episodes BIGINT
select task, new_task, count(*) as episodes
from relabels
where new_task is distinct from task
group by task, new_task
order by episodes desc, task, new_task
