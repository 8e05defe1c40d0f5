"""Read and write the footers of parquet files: what each column chunk holds, and where it lies.

pyarrow reads footers, but neither pyarrow nor any other library writes one for chunks that are already
encoded and now lie at another offset. So this is written by hand, and for all row groups at once: a file of
ten thousand row groups has seventy thousand chunks. A footer is built as a table of bytes, one row per row
group, from which the unused bytes are dropped.
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

from lecompose.files.parquet.encode_structs import (
    Cells,
    encode_int64,
    encode_integers,
    join_cells,
    keep_where,
    pick_bytes,
    repeat_bytes,
)
from lecompose.files.parquet.thrift import (
    BINARY,
    I32,
    STRUCT,
    ThriftReader,
    encode_integer,
    encode_list_head,
    encode_varint,
)

MAGIC = b"PAR1"
_TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
# pyarrow calls two codecs LZ4.
_CODECS = {"UNCOMPRESSED": 0, "SNAPPY": 1, "GZIP": 2, "BROTLI": 4, "ZSTD": 6}
_ENCODINGS = {
    "PLAIN": 0, "PLAIN_DICTIONARY": 2, "RLE": 3, "BIT_PACKED": 4, "DELTA_BINARY_PACKED": 5,
    "DELTA_LENGTH_BYTE_ARRAY": 6, "DELTA_BYTE_ARRAY": 7, "RLE_DICTIONARY": 8, "BYTE_STREAM_SPLIT": 9,
}  # fmt: skip
Storage: TypeAlias = tuple[str, tuple[str, ...]]
"""How a chunk is stored: its codec, and the encodings of its pages."""
ChunkFact: TypeAlias = tuple[int, int, int, int, int, Storage]
"""One chunk: where pages and dictionary begin, bytes as stored and unpacked, values, how it is stored."""


@dataclass(frozen=True)
class LeafColumn:
    """One leaf of a column as stored: the column's `name`, the `path` from there, and what its pages hold."""

    name: str
    path: tuple[str, ...]
    type: str
    logical: str
    length: int
    levels: tuple[int, int]

    @property
    def is_nullable(self) -> bool:
        """Whether its pages say for each value if it is there."""
        return self.levels[0] > 0

    @property
    def is_repeated(self) -> bool:
        """Whether a row may have any number of values."""
        return self.levels[1] > 0

    def holds(self, other: "LeafColumn") -> bool:
        """Return whether pages of `other` can be pages of this leaf."""
        return replace(other, name=self.name) == self


@dataclass(frozen=True)
class ColumnChunks:
    """The chunks of one leaf in some row groups: where they lie in their file, and what is in them.

    Shape: (row groups,) each. `start` is where a chunk's first page is; `dictionary` and `pages` are how far
    behind it the dictionary page and the data pages begin, -1 for no dictionary; `storage` is an index into
    `storages`. `least` and `most` are the smallest and greatest value, where they are known. Units: bytes.
    """

    start: np.ndarray
    size: np.ndarray
    unpacked: np.ndarray
    values: np.ndarray
    dictionary: np.ndarray
    pages: np.ndarray
    storage: np.ndarray
    storages: tuple[Storage, ...]
    least: np.ndarray | None = None
    most: np.ndarray | None = None

    def move_to(self, start: np.ndarray) -> "ColumnChunks":
        """Return these chunks as they will be once their bytes lie at `start`."""
        return replace(self, start=start)


# Reading ------------------------------------------------------------------------------------------


def list_leaf_columns(schema: pq.ParquetSchema) -> list[LeafColumn]:
    """Return the leaves of a file's columns, in their order."""
    names = [field.name for field in schema.to_arrow_schema() for _ in range(_count_leaves(field.type))]
    return [_read_leaf(name, schema.column(n)) for n, name in enumerate(names)]


def _count_leaves(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _count_leaves(kind.storage_type)
    return (
        sum(_count_leaves(kind.field(n).type) for n in range(kind.num_fields))
        if pa.types.is_nested(kind)
        else 1
    )


def _read_leaf(name: str, column: pq.ColumnSchema) -> LeafColumn:
    # Names may have dots in them, so that the path alone does not tell where the column's own ends.
    path = column.path[len(name) :].split(".")[1:]
    return LeafColumn(
        name=name,
        path=tuple(path),
        type=column.physical_type,
        logical=str(column.logical_type),
        length=int(column.length or 0),
        levels=(column.max_definition_level, column.max_repetition_level),
    )


def read_chunk_fact(chunk: pq.ColumnChunkMetaData) -> ChunkFact:
    """Return what a footer says about one chunk."""
    return (
        chunk.data_page_offset,
        chunk.dictionary_page_offset or -1,
        chunk.total_compressed_size,
        chunk.total_uncompressed_size,
        chunk.num_values,
        (chunk.compression, chunk.encodings),
    )


def build_column_chunks(facts: Sequence[ChunkFact], columns: int) -> list[ColumnChunks]:
    """Return the chunks of each column in every row group; `facts` go row group by row group.

    Raises:
        ValueError: if a chunk is impossible, or stored in a way that is not known here.
    """
    storages = {way: number for number, way in enumerate(dict.fromkeys(way for *_, way in facts))}
    if not all(codec in _CODECS and _ENCODINGS.keys() >= set(encodings) for codec, encodings in storages):
        raise ValueError("a codec or an encoding that is not known")
    numbers = np.array([(*numbers, storages[way]) for *numbers, way in facts], np.int64)
    by_column = numbers.reshape(-1, columns, 6).transpose(1, 2, 0)
    return [_build_chunks(of_column, tuple(storages)) for of_column in by_column]


def _build_chunks(numbers: np.ndarray, storages: tuple[Storage, ...]) -> ColumnChunks:
    pages, dictionary, size, unpacked, values, storage = numbers
    has_dictionary = (dictionary > 0) & (dictionary < pages)
    start = np.where(has_dictionary, dictionary, pages)
    if (start < len(MAGIC)).any() or any((told < 0).any() for told in (size, unpacked, values)):
        raise ValueError("chunks that cannot be")
    return ColumnChunks(
        start, size, unpacked, values, np.where(has_dictionary, 0, -1), pages - start, storage, storages
    )


# Writing ------------------------------------------------------------------------------------------


def build_file_end(
    schema: pa.Schema, rows: np.ndarray, columns: Sequence[tuple[LeafColumn, ColumnChunks]]
) -> bytes:
    """Return all bytes that follow the last chunk of a file: the footer, its length and the magic number.

    Shape: rows (row groups,). What the footer says about the schema is what pyarrow writes for it.
    """
    before, behind = _split_around_row_groups(schema)
    groups = _encode_row_groups(rows, columns)
    size = b"\x19" + encode_list_head(len(rows), STRUCT)
    footer = before + b"\x16" + encode_integer(int(rows.sum())) + size + groups + behind
    return footer + struct.pack("<I", len(footer)) + MAGIC


def build_empty_footer(schema: pa.Schema) -> pq.FileMetaData:
    """Return the footer of a file without rows."""
    return pq.read_metadata(io.BytesIO(_write_empty_file(schema)))


def _write_empty_file(schema: pa.Schema) -> bytes:
    sink = io.BytesIO()
    pq.ParquetWriter(sink, schema).close()
    return sink.getvalue()


def _split_around_row_groups(schema: pa.Schema) -> tuple[bytes, bytes]:
    """Return a footer up to, and behind, its third and fourth fields: number of rows, and row groups."""
    file = _write_empty_file(schema)
    (size,) = struct.unpack("<I", file[-8:-4])
    footer = file[-8 - size : -8]
    places = ThriftReader(footer).locate_fields()
    return footer[: places[3][0]], footer[places[4][1] :]


def _encode_row_groups(rows: np.ndarray, columns: Sequence[tuple[LeafColumn, ColumnChunks]]) -> bytes:
    """Return the row groups, one behind the other. Source: parquet.thrift, RowGroup."""
    groups = len(rows)
    compressed, uncompressed = (
        np.sum([getattr(c, name) for _, c in columns], axis=0) for name in ("size", "unpacked")
    )
    head = [repeat_bytes(b"\x19" + encode_list_head(len(columns), STRUCT), groups)]
    tail = [
        *(repeat_bytes(b"\x16", groups), encode_integers(uncompressed)),
        *(repeat_bytes(b"\x16", groups), encode_integers(rows)),
        *(repeat_bytes(b"\x26", groups), encode_integers(columns[0][1].start)),
        *(repeat_bytes(b"\x16", groups), encode_integers(compressed)),
        repeat_bytes(b"\x00", groups),
    ]
    cells = [*head, *(cell for column in columns for cell in _encode_chunk(*column)), *tail]
    return join_cells(cells)


def _encode_chunk(leaf: LeafColumn, column: ColumnChunks) -> Iterator[Cells]:
    """Yield a column's chunk in each row group. Source: parquet.thrift, ColumnChunk and ColumnMetaData."""
    groups = len(column.start)
    yield repeat_bytes(b"\x26\x00\x1c", groups)
    yield pick_bytes([_encode_storage(leaf, way) for way in column.storages], column.storage)
    for numbers in (column.values, column.unpacked, column.size):
        yield repeat_bytes(b"\x16", groups)
        yield encode_integers(numbers)
    yield repeat_bytes(b"\x26", groups)
    yield encode_integers(column.start + column.pages)
    has_dictionary = column.dictionary >= 0
    yield keep_where(repeat_bytes(b"\x26", groups), has_dictionary)
    yield keep_where(encode_integers(column.start + column.dictionary), has_dictionary)
    if column.least is not None and column.most is not None:
        yield keep_where(repeat_bytes(b"\x1c", groups), has_dictionary)
        yield keep_where(repeat_bytes(b"\x3c", groups), ~has_dictionary)
        yield from _encode_limits(column.least, column.most)
    yield repeat_bytes(b"\x00\x00", groups)


def _encode_storage(leaf: LeafColumn, way: Storage) -> bytes:
    """Return the first fields of a ColumnMetaData: type, encodings, path and codec."""
    codec, encodings = way
    names = (leaf.name, *leaf.path)
    return b"".join(
        [
            b"\x15" + encode_integer(_TYPES.index(leaf.type)),
            b"\x19" + encode_list_head(len(encodings), I32),
            *(encode_integer(_ENCODINGS[name]) for name in encodings),
            b"\x19" + encode_list_head(len(names), BINARY),
            *(encode_varint(len(name.encode())) + name.encode() for name in names),
            b"\x15" + encode_integer(_CODECS[codec]),
        ]
    )


def _encode_limits(least: np.ndarray, most: np.ndarray) -> Iterator[Cells]:
    """Yield the statistics: no nulls, the greatest and least number. Source: parquet.thrift, Statistics."""
    yield repeat_bytes(b"\x36\x00\x28\x08", len(least))
    yield encode_int64(most)
    yield repeat_bytes(b"\x18\x08", len(least))
    yield encode_int64(least)
    yield repeat_bytes(b"\x00", len(least))
