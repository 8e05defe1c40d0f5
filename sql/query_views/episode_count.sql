-- query_views/episode_count: how many episodes all sources have
-- reads:  episodes
-- params:
-- gives:  episodes BIGINT
select count(*) as episodes
from episodes
