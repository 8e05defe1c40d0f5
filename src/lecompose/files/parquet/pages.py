"""Pages, the parts of a column chunk: their headers, and pages of whole numbers made anew.

Source: the parquet specification, for page headers, levels and encodings.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lecompose.files.parquet.thrift import NotThrift, Reader, integer, varint

DATA, DICTIONARY, DATA_V2 = 0, 2, 3
_PLAIN, _RLE, _DELTA = 0, 3, 5
_HEADER_BYTES = 2**10
_MOST_HEADER_BYTES = 2**20
_MOST_PAGE_BYTES = 2**30
# Of the delta encoding: a block is so many numbers, in so many parts.
_BLOCK, _PARTS = 128, 4

ReadAt = Callable[[int, int], bytes]
"""So many bytes from a place on; fewer at the end of the file."""


@dataclass(frozen=True)
class Header:
    """What stands before a page. Units: bytes; `body` is where in the file the page itself begins."""

    kind: int
    values: int
    encoding: int
    body: int
    stored_bytes: int
    size_bytes: int
    levels_bytes: int | None
    is_compressed: bool

    @property
    def end(self) -> int:
        """Where the next page begins."""
        return self.body + self.stored_bytes


def header(read_at: ReadAt, at: int, end: int) -> Header:
    """The header at a place of a file, of a chunk that goes no further than `end`.

    Errors: ValueError where there is none, or its page goes further.
    """
    size = _HEADER_BYTES
    while True:
        reader = Reader(read_at(min(size, end - at), at))
        try:
            said = reader.struct()
            break
        except NotThrift:
            if size >= min(_MOST_HEADER_BYTES, end - at):
                raise
            size *= 16
    kind, size_bytes, stored_bytes = (int(said.get(field, -1)) for field in (1, 2, 3))
    own = said.get({DATA: 5, DICTIONARY: 7, DATA_V2: 8}.get(kind, 0), {})
    body = at + reader.at
    if not 0 <= stored_bytes <= end - body or not 0 <= size_bytes <= _MOST_PAGE_BYTES:
        raise ValueError(f"a page of {stored_bytes} bytes, {size_bytes} unpacked")
    return Header(
        kind=kind,
        values=int(own.get(1, 0)),
        encoding=int(own.get(4 if kind == DATA_V2 else 2, -1)),
        body=body,
        stored_bytes=stored_bytes,
        size_bytes=size_bytes,
        levels_bytes=int(own.get(5, 0)) + int(own.get(6, 0)) if kind == DATA_V2 else None,
        is_compressed=bool(own.get(7, True)) if kind == DATA_V2 else True,
    )


def headers(read_at: ReadAt, at: int, end: int) -> Iterator[Header]:
    """The headers of the pages that lie one behind the other between two places. Errors: as of `header`."""
    while at < end:
        found = header(read_at, at, end)
        yield found
        at = found.end


# Writing ------------------------------------------------------------------------------------------


def sequence(first: int, step: int, count: int, *, nullable: bool) -> bytes:
    """A page of the numbers first, first + step, …: a few bytes, however many they are."""
    start = integer(first)
    before, behind = _around_start(step, count, len(start), nullable)
    return before + start + behind


@lru_cache(4096)
def _around_start(step: int, count: int, start_bytes: int, nullable: bool) -> tuple[bytes, bytes]:
    """What stands around the first number of a sequence; many episodes are of the same length."""
    blocks = -(-(count - 1) // _BLOCK)
    head = varint(_BLOCK) + varint(_PARTS) + varint(count)
    behind = (integer(step) + bytes(_PARTS)) * blocks
    page = _page(_DELTA, count, head + bytes(start_bytes) + behind, nullable)
    return page[: len(page) - len(behind) - start_bytes], behind


def plain(values: np.ndarray, *, nullable: bool) -> bytes:
    """A page of int64 numbers as they are, without nulls. Shape: (count,)."""
    return _page(_PLAIN, len(values), values.astype("<i8").tobytes(), nullable)


def _page(encoding: int, count: int, values: bytes, nullable: bool) -> bytes:
    """A data page that is not compressed. Source: parquet.thrift, PageHeader and DataPageHeader."""
    levels = varint(count << 1) + b"\x01" if nullable else b""
    body = (struct.pack("<I", len(levels)) + levels if nullable else b"") + values
    size = integer(len(body))
    about = b"\x15" + integer(count) + b"\x15" + integer(encoding) + _LEVELS
    return b"".join([b"\x15\x00\x15", size, b"\x15", size, b"\x2c", about, body])


# Both kinds of levels are in runs, and the two structs end.
_LEVELS = (b"\x15" + integer(_RLE)) * 2 + b"\x00\x00"
