-- macros/vector_and_number: an operator on each element of a vector and a number
-- reads:
-- params:
-- gives:  nothing
create macro {{ macro | ident }}(a, b) as
case when b is not null then list_transform(a, lambda x: {{ operator | ident }}(x, b)) end
