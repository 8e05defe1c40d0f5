-- plan/trim: every episode without so many frames at its start and its end, in the order of the sources
-- reads:  datasets, episodes
-- params: $output, $sources, $heads, $tails
-- gives:  src_dataset VARCHAR, src_episode BIGINT, from_frame BIGINT, to_frame BIGINT, out_dataset VARCHAR, sort_key VARCHAR
with amounts as (
    select unnest($sources::varchar[]) as src_dataset,
           unnest($heads::bigint[]) as head,
           unnest($tails::bigint[]) as tail
)
select e.src_dataset,
       e.src_episode,
       a.head as from_frame,
       e.length - a.tail as to_frame,
       $output as out_dataset,
       printf('%09d/%012d', d.src_position, e.src_episode) as sort_key
from episodes e
join datasets d using (src_dataset)
join amounts a using (src_dataset)
