"""Numeric columns of data files as arrays, some row groups at a time.

Row groups are read in batches: a call for each would cost more than the data, and one call for all of them
holds several copies.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.concurrency import Workers
from lecompose.dataset.arrow_schema import list_items
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.formats import Feature, is_list
from lecompose.statistics.summarise_numbers import Numbers, as_sortable

# Numbers read at a time, by each thread.
_BATCH_BYTES = 2**22


@dataclass(frozen=True)
class FileRows:
    """A data file, and where in it the episodes lie that are to be measured, in the order of its rows."""

    path: Path
    rows: tuple[tuple[int, int], ...]

    @property
    def lengths(self) -> list[int]:
        return [end - start for start, end in self.rows]


@dataclass(frozen=True)
class RowGroupBatch:
    """Neighbouring row groups of a file, whose rows begin at `first`; the `stretches` of them are wanted.

    `frame` is the number of the first wanted row among those of all files, `frames` how many there are.
    Units: `size_bytes`, the batch's part of the file.
    """

    path: Path
    metadata: pq.FileMetaData
    groups: list[int]
    first: int
    stretches: list[tuple[int, int]]
    frame: int
    frames: int
    size_bytes: int


def batch_row_groups(
    workers: Workers, files: Sequence[FileRows], features: Sequence[Feature]
) -> list[RowGroupBatch]:
    """Return all row groups of the files, in order. Raises SourceBroken if a file cannot be read."""
    most_rows = max(1, _BATCH_BYTES // max(1, sum(map(_frame_bytes, features))))
    found: list[RowGroupBatch] = []
    frame = 0
    for file, metadata in zip(files, workers.each(files, _read_metadata), strict=True):
        for batch in _batch_file(file, metadata, frame, most_rows):
            found.append(batch)
            frame += batch.frames
    return found


def _read_metadata(file: FileRows) -> pq.FileMetaData:
    with reading_parquet(file.path):
        return pq.read_metadata(file.path)


def _batch_file(
    file: FileRows, metadata: pq.FileMetaData, frame: int, most_rows: int
) -> Iterator[RowGroupBatch]:
    size, stretches = file.path.stat().st_size, _merge_stretches(file.rows)
    for groups, first, rows in _group_neighbours(metadata, most_rows):
        parts = [
            (max(start, first), min(end, first + rows))
            for start, end in stretches
            if start < first + rows and end > first
        ]
        frames = sum(end - start for start, end in parts)
        share = size * rows // max(1, metadata.num_rows)
        yield RowGroupBatch(file.path, metadata, groups, first, parts, frame, frames, share)
        frame += frames


def _group_neighbours(metadata: pq.FileMetaData, most_rows: int) -> Iterator[tuple[list[int], int, int]]:
    """Yield neighbouring row groups of at most about so many rows, with their first row and row count."""
    groups: list[int] = []
    first = rows = 0
    for group in range(metadata.num_row_groups):
        more = metadata.row_group(group).num_rows
        if groups and rows + more > most_rows:
            yield groups, first, rows
            groups, first, rows = [], first + rows, 0
        groups.append(group)
        rows += more
    if groups:
        yield groups, first, rows


def _merge_stretches(rows: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Return stretches of rows, with those that touch joined."""
    stretches: list[tuple[int, int]] = []
    for start, end in rows:
        if stretches and stretches[-1][1] == start:
            start = stretches.pop()[0]
        stretches.append((start, end))
    return stretches


def read_batch(batch: RowGroupBatch, names: Sequence[str]) -> pa.Table:
    """Return the wanted rows of a batch. Raises SourceBroken if they cannot be read."""
    with (
        reading_parquet(batch.path),
        pq.ParquetFile(batch.path, metadata=batch.metadata) as parquet,
    ):
        table = parquet.read_row_groups(batch.groups, columns=list(names), use_threads=False)
    parts = [table.slice(start - batch.first, end - start) for start, end in batch.stretches]
    return parts[0] if len(parts) == 1 else pa.concat_tables([table.slice(0, 0), *parts])


@contextmanager
def expecting_declared(feature: Feature, path: Path) -> Iterator[None]:
    """Raise SourceBroken if a column does not have the shape and the dtype that its feature declares."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        told = f"{feature.dtype} {list(feature.shape)}"
        raise SourceBroken(
            f"its column is not {told}, as declared", reason=error, feature=feature.name, path=path
        ) from error


def rows_per_frame(feature: Feature) -> int:
    """Return how many rows a frame has: several, if the feature is an array of several dimensions."""
    return math.prod(feature.shape[:-1]) if feature.shape else 1


def sorting_dtype(feature: Feature) -> np.dtype:
    """Return the dtype in which a feature's numbers are sorted."""
    return as_sortable(np.empty(0, feature.dtype)).dtype


def _frame_bytes(feature: Feature) -> int:
    return rows_per_frame(feature) * feature.stat_size * np.dtype(feature.dtype).itemsize


def to_rows(column: pa.Array, feature: Feature) -> tuple[Numbers, np.ndarray | None]:
    """Return a column's numbers, and which rows lack some. Shape: (frames × leading axes, last axis).

    Raises:
        ValueError: if the column has another shape.
    """
    shape = (len(column) * rows_per_frame(feature), feature.stat_size)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if column.null_count:
        return _to_rows_with_gaps(column, feature)
    while is_list(column.type):
        column = list_items(column)
    missing = None
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False).reshape(shape).any(axis=1)
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return column.to_numpy(zero_copy_only=False).reshape(shape), missing


def _to_rows_with_gaps(column: pa.Array, feature: Feature) -> tuple[Numbers, np.ndarray]:
    """Return the rows of a column in which some frames have no value at all."""
    missing = np.repeat(column.is_null().to_numpy(zero_copy_only=False), rows_per_frame(feature))
    there = ~missing
    numbers = np.zeros((len(there), feature.stat_size), feature.dtype)
    if column.null_count < len(column):
        present, incomplete = to_rows(column.drop_null(), feature)
        numbers[there] = present
        missing[there] = False if incomplete is None else incomplete
    return numbers, missing
