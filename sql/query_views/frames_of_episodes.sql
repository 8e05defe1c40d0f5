-- query_views/frames_of_episodes: every frame, and beside it what is known of its episode, and of the frame before
-- Before the first frame of an episode stands that frame itself.
-- reads:  frames, episodes
-- params:
-- gives:  *
select f.* {{ beside | each(", e.{}") }}
       {{ before | each(", lag(f.{column}, 1, f.{column}) over (partition by f.src_dataset, f.src_episode order by f.frame_index) as {before}") }}
from frames f
join episodes e
  on e.src_dataset = f.src_dataset
 and e.src_episode = f.src_episode
