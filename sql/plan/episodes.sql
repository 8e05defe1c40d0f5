-- plan/episodes: the episode numbers of one source
-- reads:  episodes
-- params: $src_dataset
-- gives:  src_episode BIGINT
select src_episode
from episodes
where src_dataset = $src_dataset
order by src_episode
