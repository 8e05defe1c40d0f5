-- macros/two_vectors: an operator on two vectors, element by element; an error where their lengths differ
-- reads:
-- params:
-- gives:  nothing
create macro {{ macro | ident }}(a, b) as
case when a is not null and b is not null then
    case when len(a) = len(b) then list_transform(list_zip(a, b), lambda p: {{ operator | ident }}(p[1], p[2]))
         else error('vectors of ' || len(a) || ' and ' || len(b) || ' elements do not go together') end
end
