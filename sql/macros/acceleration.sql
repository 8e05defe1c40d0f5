-- macros/acceleration: the length of the change of a vector's velocity, a second squared; null in the first two frames
-- reads:
-- params:
-- gives:  nothing
create macro acceleration(v) as
norm(vsub(
    vsub(v, lag(v) over (partition by src_dataset, src_episode order by frame_index)),
    vsub(lag(v) over (partition by src_dataset, src_episode order by frame_index), lag(v, 2) over (partition by src_dataset, src_episode order by frame_index))
))
* (select map(list(of_dataset), list(rate * rate)) from sources.rates)[src_dataset]
