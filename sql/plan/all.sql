-- plan/all: the plan itself
-- reads:  plan
-- params:
-- gives:  out_dataset VARCHAR, out_episode BIGINT, src_dataset VARCHAR, src_episode BIGINT
select out_dataset, out_episode, src_dataset, src_episode
from plan
order by out_dataset, out_episode
