-- write/episodes_of_files: some rows of meta/episodes, in the columns and order of LeRobot's recorder, then any of the user's
-- reads:  the relations named
-- params: $out_dataset, $first_episode, $last_episode
-- gives:  *
with stats as (
    select out_dataset,
           {{ plain | each("{name} as {stored_as}, ") }}
           {{ counts | each("list_transform({name}, lambda x: round(x)::bigint) as {stored_as}, ") }}
           {{ nested | each("list_transform({name}, lambda x: [[x]]) as {stored_as}, ") }}
           out_episode as episode_index
    from {{ episode_stats | ident }}
)
select {{ columns | each("e.{}, ") }}
       {{ stats | each("s.{}, ") }}
       {{ custom | each("u.{column} as {name}, ") }}
from {{ episode_rows | ident }} e
join stats s using (out_dataset, episode_index)
{{ custom_of | each("left join {} u on u.src_dataset = e.src_dataset and u.src_episode = e.src_episode") }}
where e.out_dataset = $out_dataset and e.episode_index between $first_episode and $last_episode
order by e.episode_index
