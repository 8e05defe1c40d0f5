-- query_views/frames_of_episodes: every frame, and beside it what is known of its episode
-- reads:  frames, episodes
-- params:
-- gives:  *
select f.* {{ beside | each(", e.{}") }}
from frames f
join episodes e
  on e.src_dataset = f.src_dataset
 and e.src_episode = f.src_episode
