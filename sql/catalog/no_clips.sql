-- catalog/no_clips: the clips of datasets without cameras
-- reads:
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, camera VARCHAR, video_file VARCHAR, from_frame BIGINT, to_frame BIGINT, from_s DOUBLE, to_s DOUBLE
select ''::varchar as src_dataset,
       0::bigint as src_episode,
       ''::varchar as camera,
       ''::varchar as video_file,
       0::bigint as from_frame,
       0::bigint as to_frame,
       0::double as from_s,
       0::double as to_s
limit 0
