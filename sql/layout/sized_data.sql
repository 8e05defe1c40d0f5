-- layout/sized_data: what each output episode adds to a data file, by the bytes its rows take in the source
-- Unless files are to be concatenated, a file goes no further than the source's does.
-- reads:  plan, episodes, placement, strides
-- params: $concatenate
-- gives:  out_dataset VARCHAR, family VARCHAR, out_episode BIGINT, size_bytes BIGINT, frames BIGINT, must_break BOOLEAN
select p.out_dataset,
       'data' as family,
       p.out_episode,
       greatest(e.size_bytes // s.stride, 1) as size_bytes,
       (e.length + s.stride - 1) // s.stride as frames,
       not $concatenate
         and lag((p.src_dataset, f.data_file)) over before_here is distinct from (p.src_dataset, f.data_file)
         as must_break
from plan p
join episodes e using (src_dataset, src_episode)
join placement f using (src_dataset, src_episode)
join strides s using (src_dataset)
window before_here as (partition by p.out_dataset order by p.out_episode)
order by p.out_dataset, p.out_episode
