"""Pages, the parts of a column chunk: read their headers, and encode pages of whole numbers.

pyarrow hands out decoded columns only. Whoever copies chunks, or reads one row of a large one, needs to know
where each page lies; no library that is small enough to depend on tells it.

Source: the parquet specification, for page headers, levels and encodings.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lecompose.files.parquet.thrift import NotThrift, ThriftReader, encode_integer, encode_varint

DATA, DICTIONARY, DATA_V2 = 0, 2, 3
_PLAIN, _RLE, _DELTA = 0, 3, 5
_HEADER_BYTES = 2**10
_MOST_HEADER_BYTES = 2**20
_MOST_PAGE_BYTES = 2**30
# Of the delta encoding: a block is so many numbers, in so many parts.
_BLOCK, _PARTS = 128, 4

ReadAt = Callable[[int, int], bytes]
"""Takes a number of bytes and an offset, returns those bytes; fewer at the end of the file."""


@dataclass(frozen=True)
class PageHeader:
    """The header of one page. Units: bytes; `body` is where in the file the page itself begins."""

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


def read_header(read_at: ReadAt, at: int, end: int) -> PageHeader:
    """Return the page header at offset `at` of a file, in a chunk that ends at `end`.

    Raises:
        ValueError: if there is no header, or its page ends behind `end`.
    """
    size = _HEADER_BYTES
    while True:
        reader = ThriftReader(read_at(min(size, end - at), at))
        try:
            said = reader.read_struct()
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
    return PageHeader(
        kind=kind,
        values=int(own.get(1, 0)),
        encoding=int(own.get(4 if kind == DATA_V2 else 2, -1)),
        body=body,
        stored_bytes=stored_bytes,
        size_bytes=size_bytes,
        levels_bytes=int(own.get(5, 0)) + int(own.get(6, 0)) if kind == DATA_V2 else None,
        is_compressed=bool(own.get(7, True)) if kind == DATA_V2 else True,
    )


def read_headers(read_at: ReadAt, at: int, end: int) -> Iterator[PageHeader]:
    """Yield the headers of the pages between two offsets. Raises ValueError as `read_header`."""
    while at < end:
        found = read_header(read_at, at, end)
        yield found
        at = found.end


# Writing ------------------------------------------------------------------------------------------


def encode_sequence_page(first: int, step: int, count: int, *, nullable: bool) -> bytes:
    """Return a page of the numbers first, first + step, …: a few bytes, however many they are."""
    start = encode_integer(first)
    before, behind = _encode_around_start(step, count, len(start), nullable)
    return before + start + behind


@lru_cache(4096)
def _encode_around_start(step: int, count: int, start_bytes: int, nullable: bool) -> tuple[bytes, bytes]:
    """Return what stands before and behind the first number of a sequence.

    It is cached because many episodes have the same length.
    """
    blocks = -(-(count - 1) // _BLOCK)
    head = encode_varint(_BLOCK) + encode_varint(_PARTS) + encode_varint(count)
    behind = (encode_integer(step) + bytes(_PARTS)) * blocks
    page = _encode_page(_DELTA, count, head + bytes(start_bytes) + behind, nullable)
    return page[: len(page) - len(behind) - start_bytes], behind


def encode_plain_page(values: np.ndarray, *, nullable: bool) -> bytes:
    """Return a page of int64 numbers as they are, without nulls. Shape: (count,)."""
    return _encode_page(_PLAIN, len(values), values.astype("<i8").tobytes(), nullable)


def _encode_page(encoding: int, count: int, values: bytes, nullable: bool) -> bytes:
    """Return an uncompressed data page. Source: parquet.thrift, PageHeader and DataPageHeader."""
    levels = encode_varint(count << 1) + b"\x01" if nullable else b""
    body = (struct.pack("<I", len(levels)) + levels if nullable else b"") + values
    size = encode_integer(len(body))
    about = b"\x15" + encode_integer(count) + b"\x15" + encode_integer(encoding) + _LEVELS
    return b"".join([b"\x15\x00\x15", size, b"\x15", size, b"\x2c", about, body])


# Both kinds of levels are in runs, and the two structs end.
_LEVELS = (b"\x15" + encode_integer(_RLE)) * 2 + b"\x00\x00"
