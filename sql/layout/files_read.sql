-- layout/files_read: every data file that rows are fetched from
-- reads:  layout
-- params:
-- gives:  data_file VARCHAR
select distinct data_file
from layout
order by data_file
