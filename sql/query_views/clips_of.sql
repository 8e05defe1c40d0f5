-- query_views/clips_of: where the pictures of one camera are, and when the first of each episode is shown there
-- reads:  clips
-- params: $camera
-- gives:  src_dataset VARCHAR, src_episode BIGINT, video_file VARCHAR, from_s DOUBLE
select src_dataset,
       src_episode,
       video_file,
       coalesce(from_s, 0) as from_s
from clips
where camera = $camera
order by src_dataset, src_episode
