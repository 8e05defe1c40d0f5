-- verify/pictures_embedded: pictures of image features are in the data files; one finding for each feature
-- reads:  loose_pictures
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select src_dataset,
       null::varchar as file,
       if(count(*) = 1, min(src_episode), null) as episode,
       feature,
       format('{} pictures of {} episodes are in files of their own', sum(there)::bigint, count(*)) as problem
from loose_pictures
where there > 0
group by src_dataset, feature
order by src_dataset, feature
