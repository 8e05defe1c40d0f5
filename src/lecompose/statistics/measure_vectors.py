"""Exact statistics of the numeric columns of data files, in bounded memory.

What fits is gathered, dimension by dimension, and sorted. Of more than that, `streamed` reads once what it
can; the rest is gathered in several passes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lecompose.concurrency import Workers
from lecompose.formats import Feature
from lecompose.statistics.feature_stats import FeatureStats, join_dimensions
from lecompose.statistics.row_groups import (
    FileRows,
    RowGroupBatch,
    batch_row_groups,
    expecting_declared,
    read_batch,
    rows_per_frame,
    sorting_dtype,
    to_rows,
)
from lecompose.statistics.streamed import is_streamable, stream_statistics
from lecompose.statistics.summarise_numbers import Numbers, summarise, summarise_runs

# Numbers gathered at a time; never more than a quarter of the memory limit either.
_ROOM_BYTES = 2**26


@dataclass(frozen=True)
class _DimensionRange:
    """Some dimensions of a feature, which are gathered in one pass over the files."""

    feature: Feature
    columns: slice


@dataclass(frozen=True)
class _GatheredRows:
    """The numbers of some dimensions.

    Shape: numbers (dimensions, frames × rows a frame), missing (frames, rows a frame).
    A row that is `missing` has a null in it. An array of several dimensions has several rows a frame.
    """

    numbers: Numbers
    missing: np.ndarray

    @property
    def rows_per_frame(self) -> int:
        return int(self.missing.shape[1])


def estimate_numbers_bytes(
    workers: Workers, files: Sequence[FileRows], features: Sequence[Feature], by_episode: Collection[str] = ()
) -> int:
    """Return how many bytes of progress `measure_numbers` will report, if nothing has to be read twice."""
    at_once, gathered = _divide(workers, files, features, by_episode)
    passes = len(list(_plan_passes(workers, files, gathered))) + bool(at_once)
    return passes * sum(f.path.stat().st_size for f in files)


def measure_numbers(
    workers: Workers,
    files: Sequence[FileRows],
    features: Sequence[Feature],
    *,
    quantiles: Mapping[str, float],
    by_episode: Collection[str] = (),
) -> dict[str, FeatureStats]:
    """Return the statistics of numeric features over all episodes, and over each one for some features.

    Nulls are left out: statistics are of the rows that have numbers.

    Raises:
        SourceBroken: if a file cannot be read, or does not hold what is declared.
    """
    at_once, _ = _divide(workers, files, features, by_episode)
    found = stream_statistics(workers, files, at_once, quantiles) if at_once else {}
    rest = [feature for feature in features if feature.name not in found]
    lengths = [n for file in files for n in file.lengths]
    parts: dict[str, list[FeatureStats]] = {f.name: [] for f in rest}
    for shares in _plan_passes(workers, files, rest):
        # Taken out one by one: two passes' numbers are never held at once.
        gathered = _gather(workers, files, shares)[::-1]
        for name in (share.feature.name for share in shares):
            measured = _measure(workers, gathered.pop(), lengths, quantiles, by_episode=name in by_episode)
            parts[name].append(measured)
    found |= {name: join_dimensions(of_feature, lengths) for name, of_feature in parts.items()}
    return {feature.name: found[feature.name] for feature in features}


def _divide(
    workers: Workers, files: Sequence[FileRows], features: Sequence[Feature], by_episode: Collection[str]
) -> tuple[list[Feature], list[Feature]]:
    """Return the features that are streamed, with few of their numbers held, and those that are gathered."""
    if len(list(_plan_passes(workers, files, features))) <= 1:
        return [], list(features)
    at_once = [f for f in features if f.name not in by_episode and is_streamable(f)]
    return at_once, [f for f in features if f not in at_once]


def _plan_passes(
    workers: Workers, files: Sequence[FileRows], features: Sequence[Feature]
) -> Iterator[list[_DimensionRange]]:
    """Yield what to gather in each pass, so that it fits in memory."""
    frames = sum(n for file in files for n in file.lengths)
    room = left = min(_ROOM_BYTES, workers.memory_bytes // 4)
    shares: list[_DimensionRange] = []
    for feature in features:
        size = max(1, frames * rows_per_frame(feature) * sorting_dtype(feature).itemsize)
        at = 0
        while at < feature.stat_size:
            if left < size and shares:
                yield shares
                shares, left = [], room
            end = min(feature.stat_size, at + max(1, left // size))
            shares.append(_DimensionRange(feature, slice(at, end)))
            left -= (end - at) * size
            at = end
    if shares:
        yield shares


# Gathering --------------------------------------------------------------------------------------


def _gather(
    workers: Workers, files: Sequence[FileRows], shares: list[_DimensionRange]
) -> list[_GatheredRows]:
    features = {share.feature.name: share.feature for share in shares}
    found = batch_row_groups(workers, files, list(features.values()))
    gathered = [_allocate(share, sum(batch.frames for batch in found)) for share in shares]

    def fill(batch: RowGroupBatch) -> None:
        table = read_batch(batch, list(features))
        for share, into in zip(shares, gathered, strict=True):
            with expecting_declared(share.feature, batch.path):
                _fill(table[share.feature.name], share, into, batch.frame)
        workers.advance(batch.size_bytes)

    workers.each(found, fill)
    return gathered


def _allocate(share: _DimensionRange, frames: int) -> _GatheredRows:
    rows = frames * rows_per_frame(share.feature)
    dimensions = share.columns.stop - share.columns.start
    # Zeros take no memory until something else is written.
    missing = np.zeros((frames, rows_per_frame(share.feature)), bool)
    return _GatheredRows(np.empty((dimensions, rows), sorting_dtype(share.feature)), missing)


def _fill(column: pa.ChunkedArray, share: _DimensionRange, into: _GatheredRows, frame: int) -> None:
    """Write some dimensions of a column to where they belong: from `frame` on."""
    row = frame * rows_per_frame(share.feature)
    for chunk in column.chunks:
        numbers, missing = to_rows(chunk, share.feature)
        end = row + len(numbers)
        into.numbers[:, row:end] = numbers[:, share.columns].T
        if missing is not None:
            into.missing.reshape(-1)[row:end] = missing
        row = end


# Measuring --------------------------------------------------------------------------------------


def _measure(
    workers: Workers,
    found: _GatheredRows,
    lengths: list[int],
    quantiles: Mapping[str, float],
    *,
    by_episode: bool,
) -> FeatureStats:
    numbers, counts = found.numbers, None
    runs = [length * found.rows_per_frame for length in lengths]
    if found.missing.any():
        known = ~found.missing
        numbers = numbers[:, known.reshape(-1)]
        counts = _count_per_run(np.all(known, axis=1), lengths)
        runs = _count_per_run(known.reshape(-1), runs)
    episodes = summarise_runs(numbers.T, runs, quantiles) if by_episode else None
    parts = workers.each(list(numbers), lambda row: summarise(row[None], quantiles))
    return FeatureStats({s: np.concatenate([p[s] for p in parts]) for s in parts[0]}, episodes, counts)


def _count_per_run(known: np.ndarray, lengths: list[int]) -> list[int]:
    """Return how many are known in each of the consecutive runs."""
    upto = np.cumsum([0, *known])
    ends = np.cumsum([0, *lengths])
    return [int(n) for n in upto[ends[1:]] - upto[ends[:-1]]]
