-- catalog/no_lineage: the lineage of datasets that were recorded, not composed
-- reads:
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, step BIGINT, from_dataset VARCHAR, from_path VARCHAR, from_episode BIGINT, command VARCHAR, version VARCHAR
select ''::varchar as src_dataset,
       0::bigint as src_episode,
       0::bigint as step,
       ''::varchar as from_dataset,
       ''::varchar as from_path,
       0::bigint as from_episode,
       ''::varchar as command,
       ''::varchar as version
limit 0
