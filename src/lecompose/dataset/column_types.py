"""What Arrow types of columns have in common: which hold the values of others, and which are features."""

from typing import Any

import pyarrow as pa

from lecompose import formats

_DTYPES = {"halffloat": "float16", "float": "float32", "double": "float64", "large_string": "string"}
_STRUCT_OF_PICTURES = {"bytes", "path"}


def is_lossless(have: pa.DataType, want: pa.DataType) -> bool:
    """Return whether every value of one type is a value of the other."""
    return _is_held(have, want, nearest=False)


def is_convertible(have: pa.DataType, want: pa.DataType) -> bool:
    """Return whether numbers of one type may be written as the other: exactly, or floats as the nearest.

    Whether each of them is in its range, and whole where it has to be, only the values tell.
    """
    return _is_held(have, want, nearest=True)


def _is_held(have: pa.DataType, want: pa.DataType, *, nearest: bool) -> bool:
    if is_json(want):
        return True
    have = plain_type(have)
    if formats.is_list(have) and formats.is_list(want):
        fixed = [t.list_size for t in (have, want) if pa.types.is_fixed_size_list(t)]
        return len(set(fixed)) <= 1 and _is_held(have.value_type, want.value_type, nearest=nearest)
    if pa.types.is_struct(have) and pa.types.is_struct(want):
        known = {f.name: f.type for f in want}
        return all(f.name in known and _is_held(f.type, known[f.name], nearest=False) for f in have)
    if pa.types.is_null(have):
        return True
    if formats.is_list(have) and not pa.types.is_nested(want):
        # A scalar that its writer left as a vector of one; that it is one is seen when it is read.
        single = not pa.types.is_fixed_size_list(have) or have.list_size == 1
        return single and _is_held(have.value_type, want, nearest=nearest)
    if pa.types.is_nested(have) or pa.types.is_nested(want):
        return False
    return bool(have == want) or _widens(have, want) or (nearest and _is_number(have) and _is_number(want))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values, whatever the layout they have in memory."""
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if text else kind


def is_json(kind: pa.DataType) -> bool:
    """Return whether a column holds JSON texts."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.json"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _widens(have: pa.DataType, want: pa.DataType) -> bool:
    types = pa.types
    if types.is_floating(have) and types.is_floating(want):
        return bool(have.bit_width <= want.bit_width)
    for kind in (types.is_signed_integer, types.is_unsigned_integer):
        if kind(have) and kind(want):
            return bool(have.bit_width <= want.bit_width)
    return False


def dtype_and_sizes(kind: pa.DataType, value: Any = None) -> tuple[str, list[int] | None] | None:
    """Return the dtype and the shape of a feature whose column has a type.

    `value` is what a row of it holds: it tells the sizes of lists without a fixed one. The shape is None
    where nothing tells it; all is None for a type that no feature has.
    """
    kind = plain_type(kind)
    if pa.types.is_struct(kind):
        is_picture = {f.name for f in kind} == _STRUCT_OF_PICTURES
        return ("image", None) if is_picture else None
    sizes: list[int | None] = []
    while formats.is_list(kind):
        value = value if isinstance(value, list) else None
        fixed = kind.list_size if pa.types.is_fixed_size_list(kind) else None
        sizes.append(fixed if value is None else len(value))
        value = value[0] if value else None
        kind = plain_type(kind.value_type)
    dtype = _DTYPES.get(str(kind), str(kind))
    if dtype not in formats.NUMERIC and dtype != "string":
        return None
    return dtype, None if None in sizes or 0 in sizes else [n for n in sizes if n is not None] or [1]
