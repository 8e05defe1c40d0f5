"""Single picture files out of a data file, without the row group around them: a page is a few pictures.

A row group of an episode with pictures can have hundreds of megabytes, and pyarrow and DuckDB read all of it
for one row (measured: 0.7 s; a page takes 1 ms).
Source: the parquet specification, for pages, levels and encodings.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.files.parquet import pages as parquet_pages
from lecompose.files.parquet.pages import DATA, DATA_V2, DICTIONARY
from lecompose.files.parquet.thrift import ThriftReader
from lecompose.training.lru_cache import LruCache

_PLAIN, _BY_DICTIONARY = 0, (2, 8)
_CODECS = {
    "UNCOMPRESSED": None,
    **{"SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "ZSTD": "zstd", "LZ4": "lz4_raw"},
}
# Of each column and file, what so many headers said is remembered: some 300 bytes each.
_MOST_PAGES = 20_000
_HELD_BYTES = 16 * 2**20
# Of pictures of this size only those that are wanted are read, where nothing is compressed.
_LARGE_BYTES = 2**14


class NotPaged(Exception):
    """Raised for a column with an encoding or a codec that is not known here: pyarrow has to read it."""


@dataclass(frozen=True)
class _Page(parquet_pages.PageHeader):
    """A page whose values begin at row `row` of its row group."""

    row: int


class _OnDisk:
    """Some bytes of a file, read when they are asked for."""

    def __init__(self, file: pa.NativeFile, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> memoryview:
        start, end, _ = part.indices(self._size)
        return memoryview(self._file.read_at(max(0, end - start), self._start + start))

    def behind(self, at: int) -> "_OnDisk":
        """Return the bytes from a place on."""
        return _OnDisk(self._file, self._start + at, max(0, self._size - at))


Bytes: TypeAlias = memoryview | _OnDisk


@dataclass(frozen=True)
class _Group:
    """The pages of a row group, and the row at which each begins; a dictionary is the first, at row -1."""

    pages: list[_Page]
    rows: np.ndarray


@dataclass(frozen=True)
class Values:
    """Byte strings in `data`: where each starts, -1 for a null, and its size."""

    data: Bytes
    starts: np.ndarray
    sizes: np.ndarray

    @property
    def held_bytes(self) -> int:
        """How many bytes they take in memory."""
        return (
            self.starts.nbytes
            + self.sizes.nbytes
            + (len(self.data) if isinstance(self.data, memoryview) else 0)
        )

    def __getitem__(self, number: int) -> bytes | None:
        start = int(self.starts[number])
        return None if start < 0 else bytes(self.data[start : start + int(self.sizes[number])])

    def select(self, numbers: np.ndarray) -> "Values":
        """Return some of them, in another order. Raises IndexError for one that is not there."""
        return Values(self.data, self.starts[numbers], self.sizes[numbers])

    def spread(self, is_there: np.ndarray) -> "Values":
        """Return them spread over rows, with a null wherever nothing is there."""
        starts, sizes = np.full(len(is_there), -1, np.int64), np.zeros(len(is_there), np.int64)
        starts[is_there], sizes[is_there] = self.starts, self.sizes
        return Values(self.data, starts, sizes)


class PictureColumn:
    """The byte strings of one column of an open file.

    Raises:
        NotPaged: at once, or at the first page with an unknown encoding.
        OSError: if the file cannot be read.
        ValueError: if a page is damaged.
    """

    def __init__(self, file: pa.NativeFile, parquet: pq.ParquetFile, column: str, held: "PageCache") -> None:
        self._file, self._meta = file, parquet.metadata
        names = [self._meta.schema.column(n).path for n in range(self._meta.num_columns)]
        if column not in names:
            raise NotPaged(f"no column {column}")
        self._number = names.index(column)
        told = self._meta.schema.column(self._number)
        if told.physical_type != "BYTE_ARRAY" or told.max_repetition_level:
            raise NotPaged(f"{column} is no plain column of byte strings")
        self._most_level = told.max_definition_level
        self._groups = LruCache(self._list_pages, _MOST_PAGES, lambda group: len(group.pages))
        self._held = held

    def read_value(self, group: int, row: int) -> bytes | None:
        """Return the value at a row of a row group."""
        pages = self._groups[group]
        number = int(np.searchsorted(pages.rows, row, side="right")) - 1
        return self._held[self, group, number][row - int(pages.rows[number])]

    # PictureColumn ----------------------------------------------------------------------------------------

    def _list_pages(self, group: int) -> "_Group":
        chunk = self._meta.row_group(group).column(self._number)
        if chunk.compression not in _CODECS:
            raise NotPaged(f"compressed by {chunk.compression}")
        start = chunk.data_page_offset
        if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
            start = chunk.dictionary_page_offset
        pages = list(self._walk(start, start + chunk.total_compressed_size, chunk.num_values))
        return _Group(pages, np.array([page.row for page in pages], np.int64))

    def _walk(self, at: int, end: int, rows: int) -> Iterator[_Page]:
        row = 0
        while row < rows:
            if at >= end:
                raise ValueError(f"pages with {row} of {rows} rows")
            page = self._read_header(at, end, row)
            at = page.body + page.stored_bytes
            if page.kind == DICTIONARY:
                yield page
            elif page.kind in (DATA, DATA_V2):
                yield page
                row += page.values

    def _read_header(self, at: int, end: int, row: int) -> _Page:
        """Return the page whose header is at a place in the file."""
        said = parquet_pages.read_header(self._file.read_at, at, end)
        return _Page(row=-1 if said.kind == DICTIONARY else row, **vars(said))

    # Values ---------------------------------------------------------------------------------------

    def read_page(self, group: int, number: int) -> Values:
        """Return the values of one page of a row group."""
        pages = self._groups[group].pages
        page = pages[number]
        is_there, data = self._levels(page, self._unpack(group, page))
        count = int(np.count_nonzero(is_there))
        if page.encoding == _PLAIN:
            found = _split_plain(data, count)
        elif page.encoding in _BY_DICTIONARY and pages[0].kind == DICTIONARY and number:
            chosen = _decode_hybrid(data[1:], data[:1][0], count)
            found = self._held[self, group, 0].select(chosen)
        else:
            raise NotPaged(f"encoding {page.encoding}")
        return found.spread(is_there)

    def _unpack(self, group: int, page: _Page) -> Bytes:
        """Return the bytes of a page; those of version 2 begin with levels, which are never compressed."""
        codec = _CODECS[self._meta.row_group(group).column(self._number).compression]
        is_plain = codec is None or not page.is_compressed
        if is_plain and page.stored_bytes > _LARGE_BYTES * page.values:
            return _OnDisk(self._file, page.body, page.stored_bytes)
        body = memoryview(self._file.read_at(page.stored_bytes, page.body))
        if is_plain:
            return body
        levels = page.levels_bytes or 0
        compressed, size = body[levels:], page.size_bytes - levels
        plain = memoryview(pa.Codec(codec).decompress(compressed, size)) if size > 0 else memoryview(b"")
        return memoryview(bytes(body[:levels]) + bytes(plain)) if levels else plain

    def _levels(self, page: _Page, data: Bytes) -> tuple[np.ndarray, Bytes]:
        """Return which rows have a value, and the bytes of these values."""
        if self._most_level == 0 or page.kind == DICTIONARY:
            return np.ones(page.values, bool), data
        if page.levels_bytes is None:
            (size,) = struct.unpack("<I", data[:4])
            levels, rest = data[4 : 4 + size], _behind(data, 4 + size)
        else:
            levels, rest = data[: page.levels_bytes], _behind(data, page.levels_bytes)
        width = self._most_level.bit_length()
        return _decode_hybrid(levels, width, page.values) == self._most_level, rest


PageCache: TypeAlias = LruCache[tuple[PictureColumn, int, int], Values]


def make_page_cache() -> PageCache:
    """Return a cache of the pages used last, for all columns and files that share it."""
    return LruCache(
        lambda place: place[0].read_page(*place[1:]), _HELD_BYTES, lambda values: values.held_bytes
    )


def _behind(data: Bytes, at: int) -> Bytes:
    return data[at:] if isinstance(data, memoryview) else data.behind(at)


def _split_plain(data: Bytes, count: int) -> Values:
    """Return byte strings, each of which stands behind its length."""
    starts, sizes, at = np.zeros(count, np.int64), np.zeros(count, np.int64), 0
    for number in range(count):
        (sizes[number],) = struct.unpack("<I", data[at : at + 4])
        starts[number] = at + 4
        at += 4 + int(sizes[number])
    if at > len(data):
        raise ValueError("a value ends behind its page")
    return Values(data, starts, sizes)


def _decode_hybrid(data: Bytes, width: int, count: int) -> np.ndarray:
    """Return numbers stored as runs of one value and as groups of eight packed bit by bit."""
    runs, at, left = [np.empty(0, np.int64)], 0, count
    size = (width + 7) // 8
    while left > 0 and width > 0:
        reader = ThriftReader(bytes(data[at : at + 10]))
        head = reader.read_varint()
        at += reader.at
        if head & 1:
            groups = np.frombuffer(data[at : at + (head >> 1) * width], np.uint8)
            bits = np.unpackbits(groups, bitorder="little").reshape(-1, width)
            run = bits @ (1 << np.arange(width, dtype=np.int64))
            at += (head >> 1) * width
        else:
            run = np.full(min(head >> 1, left), int.from_bytes(data[at : at + size], "little"), np.int64)
            at += size
        if len(run) == 0:
            raise ValueError("numbers are missing")
        runs.append(run[:left])
        left -= len(runs[-1])
    return np.concatenate(runs) if width else np.zeros(count, np.int64)
