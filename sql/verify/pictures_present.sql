-- verify/pictures_present: every picture that a data file names by path only is in the dataset
-- reads:  loose_pictures
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select src_dataset,
       null::varchar as file,
       src_episode as episode,
       feature,
       problem
from loose_pictures
where missing > 0
order by src_dataset, feature, src_episode
