-- user_tables/delimited: the rows of a text file with one row a line and names in the first; types by every row
-- reads:
-- params: $path
-- gives:  *
select *
from read_csv($path, header = true, sample_size = -1, parallel = false)
