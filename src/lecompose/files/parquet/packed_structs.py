"""Many structs of the same fields at once: a table of bytes, a row a struct, of which some are not used.

A number takes as many bytes as it needs, so rows differ in length; what is unused is dropped in the end.
Source: the specification of Thrift's compact protocol, for numbers.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Cells: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Bytes, and which of them are used. Shape: (structs, width) both; uint8 and bool."""

_MOST_BYTES = 10  # of 64 bits, seven in each


def constant(data: bytes, count: int) -> Cells:
    """The same bytes in every struct."""
    return chosen([data], np.zeros(count, np.int64))


def chosen(texts: Sequence[bytes], which: np.ndarray) -> Cells:
    """One of some byte strings in each struct. Shape: which (structs,)."""
    sizes = np.array([len(text) for text in texts])
    width = int(sizes.max())
    table = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8)
    used = np.arange(width) < sizes[:, None]
    return table.reshape(len(texts), width)[which], used[which]


def only(cells: Cells, where: np.ndarray) -> Cells:
    """The same in some structs, nothing in the others. Shape: where (structs,)."""
    data, used = cells
    return data, used & where[:, None]


def integers(values: np.ndarray) -> Cells:
    """A number in each struct, that may be below 0. Shape: values (structs,), int64."""
    zigzag = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    left = zigzag[:, None] >> (np.arange(_MOST_BYTES, dtype=np.uint64) * np.uint64(7))
    used = left > 0
    used[:, 0] = True
    more = np.zeros_like(used)
    more[:, :-1] = used[:, 1:]
    return ((left & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << 7)), used


def words(values: np.ndarray) -> Cells:
    """The eight bytes of a number in each struct. Shape: values (structs,), int64."""
    data = values.astype("<i8").view(np.uint8).reshape(len(values), 8)
    return data, np.ones(data.shape, bool)


def joined(cells: Sequence[Cells]) -> bytes:
    """The structs, one behind the other."""
    data, used = (np.concatenate(parts, axis=1) for parts in zip(*cells, strict=True))
    return bytes(data[used])
