-- macros/idle: whether a vector moves no further than eps from frame to frame; the first frame is held against the next
-- reads:
-- params:
-- gives:  nothing
create macro idle(v, eps) as
coalesce(
    norm(vsub(v, lag(v) over (partition by src_dataset, src_episode order by frame_index))),
    norm(vsub(lead(v) over (partition by src_dataset, src_episode order by frame_index), v)),
    0
) <= eps
