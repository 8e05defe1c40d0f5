"""Encode many structs with the same fields at once: a table of bytes, one row per struct.

A number takes as many bytes as it needs, so rows differ in length; unused bytes are dropped in the end.
Thrift libraries encode one object at a time, which takes seconds for the footer of a large file.
Source: the specification of Thrift's compact protocol, for numbers.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Cells: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Bytes, and which of them are used. Shape: (structs, width) both; uint8 and bool."""

_MOST_BYTES = 10  # of 64 bits, seven in each


def repeat_bytes(data: bytes, count: int) -> Cells:
    """Return the same bytes for every struct."""
    return pick_bytes([data], np.zeros(count, np.int64))


def pick_bytes(texts: Sequence[bytes], which: np.ndarray) -> Cells:
    """Return one of some byte strings for each struct. Shape: which (structs,)."""
    sizes = np.array([len(text) for text in texts])
    width = int(sizes.max())
    table = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8)
    used = np.arange(width) < sizes[:, None]
    return table.reshape(len(texts), width)[which], used[which]


def keep_where(cells: Cells, where: np.ndarray) -> Cells:
    """Keep the bytes of some structs and drop those of the others. Shape: where (structs,)."""
    data, used = cells
    return data, used & where[:, None]


def encode_integers(values: np.ndarray) -> Cells:
    """Encode a number for each struct, which may be negative. Shape: values (structs,), int64."""
    zigzag = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    left = zigzag[:, None] >> (np.arange(_MOST_BYTES, dtype=np.uint64) * np.uint64(7))
    used = left > 0
    used[:, 0] = True
    more = np.zeros_like(used)
    more[:, :-1] = used[:, 1:]
    return ((left & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << 7)), used


def encode_int64(values: np.ndarray) -> Cells:
    """Encode a number for each struct as eight bytes. Shape: values (structs,), int64."""
    data = values.astype("<i8").view(np.uint8).reshape(len(values), 8)
    return data, np.ones(data.shape, bool)


def join_cells(cells: Sequence[Cells]) -> bytes:
    """Return the bytes of the structs, one behind the other."""
    data, used = (np.concatenate(parts, axis=1) for parts in zip(*cells, strict=True))
    return bytes(data[used])
