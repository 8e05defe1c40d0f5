-- plan/stratum_sizes: how many episodes each stratum holds, strata in order of first appearance
-- reads:  datasets, strata
-- params:
-- gives:  stratum VARCHAR, episodes BIGINT
select s.stratum,
       count(*) as episodes
from strata s
join datasets d using (src_dataset)
group by s.stratum
order by min((d.src_position, s.src_episode)), s.stratum
