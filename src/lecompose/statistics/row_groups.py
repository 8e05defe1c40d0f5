"""Numeric columns of data files as arrays, some row groups at a time.

Row groups are read in bunches: a call for each would cost more than the data, and one call for all of them
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
from lecompose.statistics.exact import Numbers, sortable

# Numbers read at a time, by each thread.
_BUNCH_BYTES = 2**22


@dataclass(frozen=True)
class DataFile:
    """A data file, and where in it the episodes lie that are to be measured, in the order of its rows."""

    path: Path
    rows: tuple[tuple[int, int], ...]

    @property
    def lengths(self) -> list[int]:
        return [end - start for start, end in self.rows]


@dataclass(frozen=True)
class Bunch:
    """Neighbouring row groups of a file. Of the rows in them, from `first` on, the `stretches` are wanted.

    `frame` is the number of the first wanted row among those of all files, `frames` how many there are.
    Units: `size_bytes`, the bunch's part of the file.
    """

    path: Path
    metadata: pq.FileMetaData
    groups: list[int]
    first: int
    stretches: list[tuple[int, int]]
    frame: int
    frames: int
    size_bytes: int


def bunches(workers: Workers, files: Sequence[DataFile], features: Sequence[Feature]) -> list[Bunch]:
    """All row groups of the files, in order. Errors: SourceBroken for a file that cannot be read."""
    most_rows = max(1, _BUNCH_BYTES // max(1, sum(map(_frame_bytes, features))))
    found: list[Bunch] = []
    frame = 0
    for file, metadata in zip(files, workers.each(files, _footer), strict=True):
        for bunch in _bunches(file, metadata, frame, most_rows):
            found.append(bunch)
            frame += bunch.frames
    return found


def _footer(file: DataFile) -> pq.FileMetaData:
    with reading_parquet(file.path):
        return pq.read_metadata(file.path)


def _bunches(file: DataFile, metadata: pq.FileMetaData, frame: int, most_rows: int) -> Iterator[Bunch]:
    size, stretches = file.path.stat().st_size, _merged(file.rows)
    for groups, first, rows in _bunched(metadata, most_rows):
        parts = [
            (max(start, first), min(end, first + rows))
            for start, end in stretches
            if start < first + rows and end > first
        ]
        frames = sum(end - start for start, end in parts)
        share = size * rows // max(1, metadata.num_rows)
        yield Bunch(file.path, metadata, groups, first, parts, frame, frames, share)
        frame += frames


def _bunched(metadata: pq.FileMetaData, most_rows: int) -> Iterator[tuple[list[int], int, int]]:
    """Neighbouring row groups of about so many rows, the first row of each bunch, and how many it has."""
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


def _merged(rows: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Stretches of rows, those that touch as one."""
    stretches: list[tuple[int, int]] = []
    for start, end in rows:
        if stretches and stretches[-1][1] == start:
            start = stretches.pop()[0]
        stretches.append((start, end))
    return stretches


def read(bunch: Bunch, names: Sequence[str]) -> pa.Table:
    """The wanted rows of a bunch. Errors: SourceBroken where they cannot be read."""
    with (
        reading_parquet(bunch.path),
        pq.ParquetFile(bunch.path, metadata=bunch.metadata) as parquet,
    ):
        table = parquet.read_row_groups(bunch.groups, columns=list(names), use_threads=False)
    parts = [table.slice(start - bunch.first, end - start) for start, end in bunch.stretches]
    return parts[0] if len(parts) == 1 else pa.concat_tables([table.slice(0, 0), *parts])


@contextmanager
def declared(feature: Feature, path: Path) -> Iterator[None]:
    """Errors: SourceBroken where a column does not have the shape and kind that its feature says."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        told = f"{feature.dtype} {list(feature.shape)}"
        raise SourceBroken(
            f"its column is not {told}, as declared", reason=error, feature=feature.name, path=path
        ) from error


def rows_a_frame(feature: Feature) -> int:
    """An array of several dimensions has several rows a frame."""
    return math.prod(feature.shape[:-1]) if feature.shape else 1


def dtype_of(feature: Feature) -> np.dtype:
    """The dtype in which a feature's numbers are sorted."""
    return sortable(np.empty(0, feature.dtype)).dtype


def _frame_bytes(feature: Feature) -> int:
    return rows_a_frame(feature) * feature.stat_size * np.dtype(feature.dtype).itemsize


def rows_of(column: pa.Array, feature: Feature) -> tuple[Numbers, np.ndarray | None]:
    """A column's numbers, and which rows lack some. Shape: (frames × leading axes, last axis).

    Errors: ValueError for a column of another shape.
    """
    shape = (len(column) * rows_a_frame(feature), feature.stat_size)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if column.null_count:
        return _rows_with_gaps(column, feature)
    while is_list(column.type):
        column = list_items(column)
    missing = None
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False).reshape(shape).any(axis=1)
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return column.to_numpy(zero_copy_only=False).reshape(shape), missing


def _rows_with_gaps(column: pa.Array, feature: Feature) -> tuple[Numbers, np.ndarray]:
    """The same where some frames have no value at all."""
    missing = np.repeat(column.is_null().to_numpy(zero_copy_only=False), rows_a_frame(feature))
    there = ~missing
    numbers = np.zeros((len(there), feature.stat_size), feature.dtype)
    if column.null_count < len(column):
        present, incomplete = rows_of(column.drop_null(), feature)
        numbers[there] = present
        missing[there] = False if incomplete is None else incomplete
    return numbers, missing
