-- plan/relabels: the tasks of every episode of which one at least gets another text, and their texts then
-- What is said of an episode goes before what is said of all, and that before what is said of a text. The first
-- two are of the labels of frames only.
-- reads:  episode_texts, told_episodes, expressed, replaced
-- params: $task
-- gives:  src_dataset VARCHAR, src_episode BIGINT, task VARCHAR, new_task VARCHAR
with told as (
    select t.src_dataset,
           t.src_episode,
           t.task,
           coalesce(if(t.is_label, coalesce(e.new_task, $task), null), x.new_task, r.new_task, t.task) as new_task
    from episode_texts t
    left join told_episodes e using (src_episode)
    left join expressed x using (src_episode, task)
    left join replaced r using (task)
)
select src_dataset, src_episode, task, new_task
from told
where (src_dataset, src_episode) in (
    select (src_dataset, src_episode) from told where new_task is distinct from task
)
order by src_dataset, src_episode, task
