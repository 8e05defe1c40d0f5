-- catalog/episode_totals: how much a dataset holds, by its episode list
-- reads:  episodes
-- params: $src_dataset
-- gives:  episodes BIGINT, frames BIGINT
select count(*) as episodes,
       coalesce(sum(length), 0)::bigint as frames
from episodes
where src_dataset = $src_dataset
order by episodes
