-- plan/no_relabels: the relation `relabels` of a plan under which every task keeps its text
-- reads:
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, task VARCHAR, new_task VARCHAR
select ''::varchar as src_dataset, 0::bigint as src_episode, ''::varchar as task, ''::varchar as new_task
where false
