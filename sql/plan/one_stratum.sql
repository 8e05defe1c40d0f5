-- plan/one_stratum: every episode in the same stratum, for drawing and splitting without regard to any
-- reads:  episodes
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, stratum VARCHAR
select src_dataset,
       src_episode,
       '' as stratum
from episodes
