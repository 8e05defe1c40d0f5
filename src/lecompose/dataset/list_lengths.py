"""Lists, and lists of lists, held against the shape of their feature: their types do not tell their lengths.

Readers take values in their order: 3 × 2 numbers would become 2 × 3 others, and vectors of two and four
numbers two of three.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from lecompose import formats


def find_odd_rows(array: pa.Array, shape: Sequence[int]) -> np.ndarray:
    """Return which rows hold lists of other lengths than a shape has, as booleans; null ones do not."""
    is_odd = np.zeros(len(array), bool)
    rows = np.arange(len(array))
    for depth, size in enumerate(shape):
        array = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
        if not formats.is_list(array.type):
            return is_odd  # whether it is the declared type, others tell
        lengths, is_null = _measure(array)
        here = (lengths != size) & ~is_null if depth == 0 else (lengths != size) | is_null
        is_odd[rows[here]] = True
        rows = np.repeat(rows, np.where(is_null, 0, lengths))
        array = _items(array)
    return is_odd


def measure_shape(array: pa.Array, depth: int) -> tuple[int, ...] | None:
    """Return the shape of all rows' lists, `depth` of them in each other; None if they differ."""
    shape = []
    for _ in range(depth):
        array = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
        lengths = _measure(array)[0] if formats.is_list(array.type) and not array.null_count else np.empty(0)
        if not len(lengths) or (lengths != lengths[0]).any() or not lengths[0]:
            return None
        shape.append(int(lengths[0]))
        array = _items(array)
    return tuple(shape)


def refuse_odd_rows(
    array: pa.Array, shape: Sequence[int], *, where: Callable[[int], str] | None = None
) -> None:
    """Refuse lists of other lengths than a shape has; `where` says which episode a row is of.

    Raises:
        ArrowInvalid: naming the first of them.
    """
    if shape in ((), (1,)):
        return
    is_odd = find_odd_rows(array, shape)
    if is_odd.any():
        place = "" if where is None else f", first in {where(int(is_odd.argmax()))}"
        raise pa.ArrowInvalid(f"{describe_odd(shape)}{place}")


def describe_odd(shape: Sequence[int]) -> str:
    """Return what is wrong with lists of other lengths than a shape has."""
    what = "vectors" if len(shape) == 1 else "arrays"
    return f"{what} of {' × '.join(map(str, shape))} numbers are declared, and there are others"


def _measure(lists: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return how long each list is, and which are null."""
    is_null = np.zeros(len(lists), bool)
    if lists.null_count:
        is_null = lists.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(lists.type):
        return np.full(len(lists), lists.type.list_size), is_null
    return np.diff(lists.offsets.to_numpy()), is_null


def _items(lists: pa.Array) -> pa.Array:
    if lists.null_count:
        return lists.flatten()
    if pa.types.is_fixed_size_list(lists.type):
        size = lists.type.list_size
        return lists.values.slice(lists.offset * size, len(lists) * size)
    first, end = (lists.offsets[at].as_py() for at in (0, -1))
    return lists.values.slice(first, end - first)


def tells_shape(kind: pa.DataType, shape: Sequence[int]) -> bool:
    """Return whether lists of a type cannot be of another shape; whether a scalar's are, others look."""
    if shape in ((), (1,)):
        return True
    for size in shape:
        if not pa.types.is_fixed_size_list(kind) or kind.list_size != size:
            return False
        kind = kind.value_type
    return True
