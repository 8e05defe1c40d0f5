-- catalog/union: the same relation of every source, as one; columns are matched by name
-- reads:  the relations named
-- params:
-- gives:  *
{{ relations | union }}
