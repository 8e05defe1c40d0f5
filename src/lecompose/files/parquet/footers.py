"""Footers of parquet files as arrays: a file of ten thousand row groups has seventy thousand chunks.

pyarrow reads them. Nothing writes one for chunks that are already encoded, so that is done here, for all
row groups at once: a footer is a table of bytes, a row each row group, of which the unused ones are dropped.
Source: the parquet specification (parquet.thrift) and that of Thrift's compact protocol.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.files.parquet.packed_structs import Cells, chosen, constant, integers, joined, only, words
from lecompose.files.parquet.thrift import BINARY, I32, STRUCT, Reader, integer, list_head, varint

MAGIC = b"PAR1"
_TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
# pyarrow calls two codecs LZ4.
_CODECS = {"UNCOMPRESSED": 0, "SNAPPY": 1, "GZIP": 2, "BROTLI": 4, "ZSTD": 6}
_ENCODINGS = {
    "PLAIN": 0, "PLAIN_DICTIONARY": 2, "RLE": 3, "BIT_PACKED": 4, "DELTA_BINARY_PACKED": 5,
    "DELTA_LENGTH_BYTE_ARRAY": 6, "DELTA_BYTE_ARRAY": 7, "RLE_DICTIONARY": 8, "BYTE_STREAM_SPLIT": 9,
}  # fmt: skip
Way: TypeAlias = tuple[str, tuple[str, ...]]
"""How a chunk is stored: its codec, and the encodings of its pages."""
Fact: TypeAlias = tuple[int, int, int, int, int, Way]
"""Of a chunk: where pages and dictionary begin, bytes as stored and unpacked, values, how it is stored."""


@dataclass(frozen=True)
class Leaf:
    """A leaf of a column as it is stored: the column's `name`, the `path` from there, and what pages hold."""

    name: str
    path: tuple[str, ...]
    type: str
    logical: str
    length: int
    levels: tuple[int, int]

    @property
    def is_nullable(self) -> bool:
        """Whether its pages say of each value that it is there."""
        return self.levels[0] > 0

    @property
    def is_repeated(self) -> bool:
        """Whether a row may have any number of values."""
        return self.levels[1] > 0

    def holds(self, other: "Leaf") -> bool:
        """Whether pages of `other` are pages of this one."""
        return replace(other, name=self.name) == self


@dataclass(frozen=True)
class Chunks:
    """The chunks of one leaf in some row groups: where they lie in their file, and what is in them.

    Shape: (row groups,) each. `start` is where a chunk's first page is, `dictionary` and `pages` are how far
    behind it those are, -1 for no dictionary; `way` is a number in `ways`. `least` and `most` are the values'
    own, where they are known. Units: bytes.
    """

    start: np.ndarray
    size: np.ndarray
    unpacked: np.ndarray
    values: np.ndarray
    dictionary: np.ndarray
    pages: np.ndarray
    way: np.ndarray
    ways: tuple[Way, ...]
    least: np.ndarray | None = None
    most: np.ndarray | None = None

    def moved(self, start: np.ndarray) -> "Chunks":
        """The same bytes at another place."""
        return replace(self, start=start)


# Reading ------------------------------------------------------------------------------------------


def leaves(schema: pq.ParquetSchema) -> list[Leaf]:
    """The leaves of a file's columns, in their order."""
    names = [field.name for field in schema.to_arrow_schema() for _ in range(_leaves(field.type))]
    return [_leaf(name, schema.column(n)) for n, name in enumerate(names)]


def _leaves(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _leaves(kind.storage_type)
    return sum(_leaves(kind.field(n).type) for n in range(kind.num_fields)) if pa.types.is_nested(kind) else 1


def _leaf(name: str, column: pq.ColumnSchema) -> Leaf:
    # Names may have dots in them, so that the path alone does not tell where the column's own ends.
    path = column.path[len(name) :].split(".")[1:]
    return Leaf(
        name=name,
        path=tuple(path),
        type=column.physical_type,
        logical=str(column.logical_type),
        length=int(column.length or 0),
        levels=(column.max_definition_level, column.max_repetition_level),
    )


def fact(chunk: pq.ColumnChunkMetaData) -> Fact:
    """What a footer says of one chunk."""
    return (
        chunk.data_page_offset,
        chunk.dictionary_page_offset or -1,
        chunk.total_compressed_size,
        chunk.total_uncompressed_size,
        chunk.num_values,
        (chunk.compression, chunk.encodings),
    )


def chunks(facts: Sequence[Fact], columns: int) -> list[Chunks]:
    """The chunks of so many columns, each in every row group, from what was told of row group by row group.

    Errors: ValueError for chunks that cannot be, or are stored in a way that is not known here.
    """
    ways = {way: number for number, way in enumerate(dict.fromkeys(way for *_, way in facts))}
    if not all(codec in _CODECS and _ENCODINGS.keys() >= set(encodings) for codec, encodings in ways):
        raise ValueError("a codec or an encoding that is not known")
    numbers = np.array([(*told, ways[way]) for *told, way in facts], np.int64)
    by_column = numbers.reshape(-1, columns, 6).transpose(1, 2, 0)
    return [_chunks(of_column, tuple(ways)) for of_column in by_column]


def _chunks(numbers: np.ndarray, ways: tuple[Way, ...]) -> Chunks:
    pages, dictionary, size, unpacked, values, way = numbers
    has_dictionary = (dictionary > 0) & (dictionary < pages)
    start = np.where(has_dictionary, dictionary, pages)
    if (start < len(MAGIC)).any() or any((told < 0).any() for told in (size, unpacked, values)):
        raise ValueError("chunks that cannot be")
    return Chunks(start, size, unpacked, values, np.where(has_dictionary, 0, -1), pages - start, way, ways)


# Writing ------------------------------------------------------------------------------------------


def end_of_file(schema: pa.Schema, rows: np.ndarray, columns: Sequence[tuple[Leaf, Chunks]]) -> bytes:
    """All that follows the last chunk of a file whose row groups have so many rows.

    What is said of the schema is what pyarrow says of it.
    """
    before, behind = _around_row_groups(schema)
    groups = _row_groups(rows, columns)
    size = b"\x19" + list_head(len(rows), STRUCT)
    footer = before + b"\x16" + integer(int(rows.sum())) + size + groups + behind
    return footer + struct.pack("<I", len(footer)) + MAGIC


def empty_file(schema: pa.Schema) -> pq.FileMetaData:
    """The footer of a file without rows."""
    return pq.read_metadata(io.BytesIO(_empty(schema)))


def _empty(schema: pa.Schema) -> bytes:
    sink = io.BytesIO()
    pq.ParquetWriter(sink, schema).close()
    return sink.getvalue()


def _around_row_groups(schema: pa.Schema) -> tuple[bytes, bytes]:
    """A footer without its third and fourth fields: the numbers of rows, and the row groups."""
    file = _empty(schema)
    (size,) = struct.unpack("<I", file[-8:-4])
    footer = file[-8 - size : -8]
    places = Reader(footer).places()
    return footer[: places[3][0]], footer[places[4][1] :]


def _row_groups(rows: np.ndarray, columns: Sequence[tuple[Leaf, Chunks]]) -> bytes:
    """The row groups, one behind the other. Source: parquet.thrift, RowGroup."""
    groups = len(rows)
    packed, unpacked = (
        np.sum([getattr(c, name) for _, c in columns], axis=0) for name in ("size", "unpacked")
    )
    head = [constant(b"\x19" + list_head(len(columns), STRUCT), groups)]
    tail = [
        *(constant(b"\x16", groups), integers(unpacked)),
        *(constant(b"\x16", groups), integers(rows)),
        *(constant(b"\x26", groups), integers(columns[0][1].start)),
        *(constant(b"\x16", groups), integers(packed)),
        constant(b"\x00", groups),
    ]
    cells = [*head, *(cell for column in columns for cell in _chunk(*column)), *tail]
    return joined(cells)


def _chunk(leaf: Leaf, column: Chunks) -> Iterator[Cells]:
    """A column's chunk in each row group. Source: parquet.thrift, ColumnChunk and ColumnMetaData."""
    groups = len(column.start)
    yield constant(b"\x26\x00\x1c", groups)
    yield chosen([_kind(leaf, way) for way in column.ways], column.way)
    for numbers in (column.values, column.unpacked, column.size):
        yield constant(b"\x16", groups)
        yield integers(numbers)
    yield constant(b"\x26", groups)
    yield integers(column.start + column.pages)
    has_dictionary = column.dictionary >= 0
    yield only(constant(b"\x26", groups), has_dictionary)
    yield only(integers(column.start + column.dictionary), has_dictionary)
    if column.least is not None and column.most is not None:
        yield only(constant(b"\x1c", groups), has_dictionary)
        yield only(constant(b"\x3c", groups), ~has_dictionary)
        yield from _limits(column.least, column.most)
    yield constant(b"\x00\x00", groups)


def _kind(leaf: Leaf, way: Way) -> bytes:
    """The first fields of a ColumnMetaData: type, encodings, path and codec."""
    codec, encodings = way
    names = (leaf.name, *leaf.path)
    return b"".join(
        [
            b"\x15" + integer(_TYPES.index(leaf.type)),
            b"\x19" + list_head(len(encodings), I32),
            *(integer(_ENCODINGS[name]) for name in encodings),
            b"\x19" + list_head(len(names), BINARY),
            *(varint(len(name.encode())) + name.encode() for name in names),
            b"\x15" + integer(_CODECS[codec]),
        ]
    )


def _limits(least: np.ndarray, most: np.ndarray) -> Iterator[Cells]:
    """Statistics: no nulls, the greatest and the least number. Source: parquet.thrift, Statistics."""
    yield constant(b"\x36\x00\x28\x08", len(least))
    yield words(most)
    yield constant(b"\x18\x08", len(least))
    yield words(least)
    yield constant(b"\x00", len(least))
