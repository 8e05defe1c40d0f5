-- catalog/lengths: how many frames each episode of one source has, as its metadata declares it
-- reads:  declared
-- params: $src_dataset
-- gives:  src_episode BIGINT, length BIGINT
select src_episode, length
from declared
where src_dataset = $src_dataset
order by src_episode
