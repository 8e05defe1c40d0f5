-- statistics/missing: of how many planned episodes each statistic named is missing, in the order of the names
-- reads:  plan, stored_stats
-- params:
-- gives:  episodes BIGINT[]
select [{{ names | each("count(*) - count(c.{})", ", ") }}] as episodes
from plan p
left join stored_stats c using (src_dataset, src_episode)
