"""Exact statistics of the numeric columns of data files, in bounded memory.

Numbers are gathered dimension by dimension and then sorted, as many at a time as there is room for; so a
dataset that fits is read once. Row groups are read in bunches: a call for each would cost more than the data,
and one call for all of them holds several copies.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.columns import items
from lecompose.errors import SourceBroken
from lecompose.formats import Feature, is_list
from lecompose.measure.results import Measured, joined
from lecompose.run import Work
from lecompose.statistics import Numbers, sortable, summarise, summarise_runs

# Numbers gathered at a time; never more than a quarter of the memory limit either.
_ROOM_BYTES = 2**28
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
class _Share:
    """Some dimensions of a feature: what is gathered of it in one pass over the files."""

    feature: Feature
    columns: slice


@dataclass(frozen=True)
class _Gathered:
    """The numbers of a share.

    Shape: numbers (dimensions, frames × rows a frame), missing (frames, rows a frame).
    A row that is `missing` has a null in it. An array of several dimensions has several rows a frame.
    """

    numbers: Numbers
    missing: np.ndarray

    @property
    def rows_a_frame(self) -> int:
        return int(self.missing.shape[1])


def numbers_bytes(work: Work, files: Sequence[DataFile], features: Sequence[Feature]) -> int:
    """How much `numbers` will tell that it has done."""
    return len(list(_passes(work, files, features))) * sum(f.path.stat().st_size for f in files)


def numbers(
    work: Work,
    files: Sequence[DataFile],
    features: Sequence[Feature],
    *,
    quantiles: Mapping[str, float],
    by_episode: Collection[str] = (),
) -> dict[str, Measured]:
    """The statistics of numeric features over all rows of the episodes, of each episode for some features.

    Nulls are left out: statistics are of the rows that have numbers.
    Errors: SourceBroken for a file that cannot be read, or does not hold what is declared.
    """
    lengths = [n for file in files for n in file.lengths]
    parts: dict[str, list[Measured]] = {f.name: [] for f in features}
    for shares in _passes(work, files, features):
        # Taken out one by one: two passes' numbers are never held at once.
        gathered = _gather(work, files, shares)[::-1]
        for name in (share.feature.name for share in shares):
            measured = _measured(work, gathered.pop(), lengths, quantiles, by_episode=name in by_episode)
            parts[name].append(measured)
    return {name: joined(of_feature, lengths) for name, of_feature in parts.items()}


def _passes(work: Work, files: Sequence[DataFile], features: Sequence[Feature]) -> Iterator[list[_Share]]:
    """What to gather at a time, so that it stays within memory."""
    frames = sum(n for file in files for n in file.lengths)
    room = left = min(_ROOM_BYTES, work.engine.memory_bytes // 4)
    shares: list[_Share] = []
    for feature in features:
        size = max(1, frames * _rows_a_frame(feature) * _dtype(feature).itemsize)
        at = 0
        while at < feature.stat_size:
            if left < size and shares:
                yield shares
                shares, left = [], room
            end = min(feature.stat_size, at + max(1, left // size))
            shares.append(_Share(feature, slice(at, end)))
            left -= (end - at) * size
            at = end
    if shares:
        yield shares


def _rows_a_frame(feature: Feature) -> int:
    return math.prod(feature.shape[:-1]) if feature.shape else 1


def _dtype(feature: Feature) -> np.dtype:
    return sortable(np.empty(0, feature.dtype)).dtype


# Gathering --------------------------------------------------------------------------------------


def _gather(work: Work, files: Sequence[DataFile], shares: list[_Share]) -> list[_Gathered]:
    starts = np.cumsum([0, *(sum(file.lengths) for file in files)])
    gathered = [_empty(share, int(starts[-1])) for share in shares]

    def fill(part: tuple[DataFile, int]) -> None:
        file, frame = part
        for table, size_bytes in _bunches(file, shares):
            for share, into in zip(shares, gathered, strict=True):
                with _declared(share.feature, file.path):
                    _put(table[share.feature.name], share, into, frame)
            frame += table.num_rows
            work.advance(size_bytes)

    work.each(list(zip(files, map(int, starts[:-1]), strict=True)), fill)
    return gathered


@contextmanager
def _declared(feature: Feature, path: Path) -> Iterator[None]:
    """Errors: SourceBroken where a column does not have the shape and kind that its feature says."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        told = f"{feature.dtype} {list(feature.shape)}"
        raise SourceBroken(
            f'feature "{feature.name}": its column is not {told}, as declared: {error}. ({path})'
        ) from error


def _empty(share: _Share, frames: int) -> _Gathered:
    rows = frames * _rows_a_frame(share.feature)
    dimensions = share.columns.stop - share.columns.start
    # Zeros take no memory until something else is written.
    missing = np.zeros((frames, _rows_a_frame(share.feature)), bool)
    return _Gathered(np.empty((dimensions, rows), _dtype(share.feature)), missing)


def _bunches(file: DataFile, shares: list[_Share]) -> Iterator[tuple[pa.Table, int]]:
    """The rows of the episodes in a file, some row groups at a time, and their part of the file's bytes."""
    names = list(dict.fromkeys(share.feature.name for share in shares))
    widths = {share.feature.name: _frame_bytes(share.feature) for share in shares}
    size, told = file.path.stat().st_size, 0
    stretches = _merged(file.rows)
    try:
        with pq.ParquetFile(file.path) as parquet:
            rows = parquet.metadata.num_rows
            for groups, first in _bunched(parquet.metadata, _BUNCH_BYTES // sum(widths.values())):
                table = parquet.read_row_groups(groups, columns=names, use_threads=False)
                upto = size * (first + table.num_rows) // max(1, rows)
                yield _only(table, stretches, first), upto - told
                told = upto
    except (pa.ArrowException, OSError) as error:
        raise SourceBroken(f"data file cannot be read: {error}. ({file.path})") from error


def _frame_bytes(feature: Feature) -> int:
    return _rows_a_frame(feature) * feature.stat_size * np.dtype(feature.dtype).itemsize


def _bunched(metadata: pq.FileMetaData, most_rows: int) -> Iterator[tuple[list[int], int]]:
    """Neighbouring row groups of about so many rows, and the first row of each bunch."""
    groups: list[int] = []
    first = rows = 0
    for group in range(metadata.num_row_groups):
        more = metadata.row_group(group).num_rows
        if groups and rows + more > most_rows:
            yield groups, first
            groups, first, rows = [], first + rows, 0
        groups.append(group)
        rows += more
    if groups:
        yield groups, first


def _only(table: pa.Table, stretches: list[tuple[int, int]], first: int) -> pa.Table:
    """The rows of `table`, which starts at row `first` of the file, that lie in the stretches."""
    parts = [
        table.slice(max(start, first) - first, min(end, first + table.num_rows) - max(start, first))
        for start, end in stretches
        if start < first + table.num_rows and end > first
    ]
    return parts[0] if len(parts) == 1 else pa.concat_tables([table.slice(0, 0), *parts])


def _merged(rows: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Stretches of rows, those that touch as one."""
    stretches: list[tuple[int, int]] = []
    for start, end in rows:
        if stretches and stretches[-1][1] == start:
            start = stretches.pop()[0]
        stretches.append((start, end))
    return stretches


def _put(column: pa.ChunkedArray, share: _Share, into: _Gathered, frame: int) -> None:
    """Write a share's part of a column where it belongs: from `frame` on."""
    row = frame * _rows_a_frame(share.feature)
    for chunk in column.chunks:
        numbers, missing = _rows(chunk, share.feature)
        end = row + len(numbers)
        into.numbers[:, row:end] = numbers[:, share.columns].T
        if missing is not None:
            into.missing.reshape(-1)[row:end] = missing
        row = end


def _rows(column: pa.Array, feature: Feature) -> tuple[Numbers, np.ndarray | None]:
    """A column's numbers, and which rows lack some. Shape: (frames × leading axes, last axis).

    Errors: ValueError for a column of another shape.
    """
    shape = (len(column) * _rows_a_frame(feature), feature.stat_size)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if column.null_count:
        return _rows_with_gaps(column, feature)
    while is_list(column.type):
        column = items(column)
    missing = None
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False).reshape(shape).any(axis=1)
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return column.to_numpy(zero_copy_only=False).reshape(shape), missing


def _rows_with_gaps(column: pa.Array, feature: Feature) -> tuple[Numbers, np.ndarray]:
    """The same where some frames have no value at all."""
    missing = np.repeat(column.is_null().to_numpy(zero_copy_only=False), _rows_a_frame(feature))
    there = ~missing
    numbers = np.zeros((len(there), feature.stat_size), feature.dtype)
    if column.null_count < len(column):
        present, incomplete = _rows(column.drop_null(), feature)
        numbers[there] = present
        missing[there] = False if incomplete is None else incomplete
    return numbers, missing


# Measuring --------------------------------------------------------------------------------------


def _measured(
    work: Work, found: _Gathered, lengths: list[int], quantiles: Mapping[str, float], *, by_episode: bool
) -> Measured:
    numbers, counts = found.numbers, None
    runs = [length * found.rows_a_frame for length in lengths]
    if found.missing.any():
        known = ~found.missing
        numbers = numbers[:, known.reshape(-1)]
        counts = _per_run(np.all(known, axis=1), lengths)
        runs = _per_run(known.reshape(-1), runs)
    episodes = summarise_runs(numbers.T, runs, quantiles) if by_episode else None
    parts = work.each(list(numbers), lambda row: summarise(row[None], quantiles))
    return Measured({s: np.concatenate([p[s] for p in parts]) for s in parts[0]}, episodes, counts)


def _per_run(known: np.ndarray, lengths: list[int]) -> list[int]:
    """How many are known in each of the runs that follow each other."""
    upto = np.cumsum([0, *known])
    ends = np.cumsum([0, *lengths])
    return [int(n) for n in upto[ends[1:]] - upto[ends[:-1]]]
