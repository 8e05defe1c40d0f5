-- macros/speed: the length of a vector's change since the frame before, a second; null in an episode's first frame
-- The rate stands in a relation whose columns have no name of ours: inside, a name would mean that column.
-- reads:
-- params:
-- gives:  nothing
create macro speed(v) as
norm(vsub(v, lag(v) over (partition by src_dataset, src_episode order by frame_index)))
* (select map(list(of_dataset), list(rate)) from sources.rates)[src_dataset]
