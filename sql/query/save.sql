-- query/save: the rows of a user's query as a file, in the query's order
-- reads:
-- params: $sql, $path, $format
-- gives:  nothing
copy (select * from query($sql)) to $path (format $format)
