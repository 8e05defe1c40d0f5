-- query/select: the rows of a user's query, in its order
-- query() takes a single SELECT and nothing else; in it, neither COPY nor INSERT, UPDATE, DELETE may stand in a WITH.
-- reads:
-- params: $sql
-- gives:  *
select * from query($sql)
