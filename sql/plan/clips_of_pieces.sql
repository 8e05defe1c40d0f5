-- plan/clips_of_pieces: the videos of the picked episodes of which some piece begins late
-- reads:  picks, clips
-- params:
-- gives:  src_dataset VARCHAR, src_episode BIGINT, video_file VARCHAR, from_frame BIGINT
select distinct c.src_dataset, c.src_episode, c.video_file, c.from_frame
from clips c
semi join (select * from picks where from_frame > 0) p using (src_dataset, src_episode)
where c.video_file is not null
order by c.src_dataset, c.src_episode, c.video_file, c.from_frame
