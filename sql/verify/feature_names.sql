-- verify/feature_names: a feature has as many names as dimensions, where it has any
-- reads:  feature_needs
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select src_dataset,
       'meta/info.json' as file,
       null::bigint as episode,
       feature,
       format('{} names, {} dimensions', names, dimensions) as problem
from feature_needs
where names <> dimensions
order by src_dataset, feature
