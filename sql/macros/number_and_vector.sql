-- macros/number_and_vector: an operator on a number and each element of a vector
-- reads:
-- params:
-- gives:  nothing
create macro {{ macro | ident }}(a, b) as
case when a is not null then list_transform(b, lambda x: {{ operator | ident }}(a, x)) end
