-- verify/declared_episodes: how many episodes the episode list has
-- reads:  declared
-- params:
-- gives:  episodes BIGINT
select count(*) as episodes
from declared
