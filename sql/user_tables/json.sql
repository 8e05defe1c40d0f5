-- user_tables/json: the rows of a JSON file, one object a line or all in one list; types by every row
-- reads:
-- params: $path
-- gives:  *
select *
from read_json($path, sample_size = -1)
