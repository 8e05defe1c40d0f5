-- macros/norm: the Euclidean length of a vector; null where an element is
-- reads:
-- params:
-- gives:  nothing
create macro norm(v) as
case when list_count(v) = len(v) then sqrt(list_sum(list_transform(v, lambda x: x::double * x::double))) end
