-- layout/sized_episodes: what each episode's row adds to a meta/episodes file
-- reads:  layout
-- params: $row_bytes
-- gives:  out_dataset VARCHAR, family VARCHAR, out_episode BIGINT, size_bytes BIGINT, frames BIGINT, must_break BOOLEAN
select out_dataset,
       'episodes' as family,
       out_episode,
       $row_bytes::bigint as size_bytes,
       0::bigint as frames,
       false as must_break
from layout
order by out_dataset, out_episode
