-- write/frames_whole: the rows of whole data files, one file behind the other
-- Nothing but a projection: a join, an IN list or a window would lose the order of the frames.
-- reads:  parquet
-- params: $files
-- gives:  *
select
{% for c in columns %}
       {{ c.stored | ident }} as {{ c.name | ident }}{% if not loop.last %},{% endif %}

{% endfor %}
from read_parquet($files, hive_partitioning = false)
