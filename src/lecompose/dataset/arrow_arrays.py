"""Arrow arrays made without the looks that Arrow takes at values of no declared type.

For each it looks for `dateutil`, and for NumPy's masked arrays, which take longer to load than the rest of
NumPy.
"""

import numpy as np
import pyarrow as pa


def repeat_text(text: str, rows: int) -> pa.Array:
    """Return an array of so many times the same text."""
    return pa.repeat(pa.scalar(text, pa.string()), rows)


def wrap_numbers(numbers: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Return an array over the memory of a flat NumPy array, which holds numbers of this very type."""
    if numbers.dtype != kind.to_pandas_dtype():
        raise TypeError(f"{numbers.dtype} is not {kind}")
    return pa.Array.from_buffers(kind, numbers.size, [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def wrap_lists(offsets: np.ndarray, numbers: np.ndarray) -> pa.Array:
    """Return lists of doubles: list i has the numbers from offset i to i + 1."""
    kinds = wrap_numbers(offsets.astype(np.int32), pa.int32()), wrap_numbers(numbers, pa.float64())
    return pa.ListArray.from_arrays(*kinds)
