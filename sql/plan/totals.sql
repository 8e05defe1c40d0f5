-- plan/totals: how many episodes go into each output
-- reads:  plan
-- params:
-- gives:  out_dataset VARCHAR, episodes BIGINT
select out_dataset, count(distinct out_episode) as episodes
from plan
group by out_dataset
order by out_dataset
