"""Exact statistics of very many numbers, of which only those near a quantile are held.

Batches of row groups are read in an order in which the first few stand for all of them, so that what is held
narrows down around the quantiles early. Where a number was not held after all, the feature is read a second
time; one with nulls is left to whoever gathers all of its numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, local

import numpy as np
import pyarrow as pa

from lecompose.concurrency import Workers
from lecompose.formats import Feature
from lecompose.statistics.feature_stats import FeatureStats
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
from lecompose.statistics.streaming_quantiles import StreamingQuantiles
from lecompose.statistics.summarise_numbers import Numbers, interpolate, quantile_ranks, quiet

# What is held of all dimensions together; never more than an eighth of the memory limit either.
_ROOM_BYTES = 2**26
# Beyond so many dimensions a batch has too few rows for each.
_MOST_DIMENSIONS = 256
# A step that visits every part of a row early and evenly.
_GOLDEN = (5**0.5 - 1) / 2


def is_streamable(feature: Feature) -> bool:
    """Return whether a feature's numbers come in runs that are worth sorting."""
    return feature.stat_size <= _MOST_DIMENSIONS


def stream_statistics(
    workers: Workers, files: Sequence[FileRows], features: Sequence[Feature], quantiles: Mapping[str, float]
) -> dict[str, FeatureStats]:
    """Return the statistics of features over all episodes, without those that have to be gathered.

    Raises:
        SourceBroken: if a file cannot be read, or does not hold what is declared.
    """
    found = batch_row_groups(workers, files, features)
    room = min(_ROOM_BYTES, workers.memory_bytes // 8) // sum(_dimension_bytes(f) for f in features)
    running = [_RunningStats(feature, len(found), quantiles, room) for feature in features]
    _read_batches(workers, found, running)
    unsure = [one for one in running if one.needs_second_pass()]
    if unsure:
        _read_batches(workers, found, unsure)
    finished = ((one.feature.name, one.finish()) for one in running)
    return {name: statistics for name, statistics in finished if statistics is not None}


def _read_batches(
    workers: Workers, found: Sequence[RowGroupBatch], running: Sequence["_RunningStats"]
) -> None:
    names = [one.feature.name for one in running]
    buffers = _Buffers()

    def take(number: int) -> None:
        batch = found[number]
        table = read_batch(batch, names)
        for one in running:
            with expecting_declared(one.feature, batch.path):
                one.add(number, table[one.feature.name], buffers)
        workers.advance(batch.size_bytes)

    workers.each(sorted(range(len(found)), key=lambda n: n * _GOLDEN % 1), take)
    workers.each([held for one in running for held in one.ranks], StreamingQuantiles.settle)


def _dimension_bytes(feature: Feature) -> int:
    return feature.stat_size * sorting_dtype(feature).itemsize


class _Buffers(local):
    """Memory of each thread, used again for every batch: fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._held: dict[object, np.ndarray] = {}

    def of(self, dimensions: int, rows: int, dtype: np.dtype) -> np.ndarray:
        """Return an array to write to. Shape: (dimensions, rows)."""
        size = dimensions * rows
        held = self._held.get(dtype)
        if held is None or len(held) < size:
            held = self._held[dtype] = np.empty(size, dtype)
        return held[:size].reshape(dimensions, rows)


@dataclass
class _Moments:
    """What is known of each batch. Shape: (batches, dimensions) each."""

    least: np.ndarray
    most: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    counts: np.ndarray


class _RunningStats:
    """The statistics of one feature, while its rows come in, batch by batch in any order."""

    def __init__(self, feature: Feature, count: int, quantiles: Mapping[str, float], room: int) -> None:
        self.feature = feature
        self._quantiles = quantiles
        self._moments = _Moments(*(np.zeros((count, feature.stat_size)) for _ in range(5)))
        levels = list(quantiles.values())
        self.ranks = [
            StreamingQuantiles(levels, sorting_dtype(feature), room) for _ in range(feature.stat_size)
        ]
        self._locks = [Lock() for _ in self.ranks]
        self._has_gaps = self._is_second = False

    @property
    def _count(self) -> int:
        return int(self._moments.counts[:, 0].sum())

    @property
    def _broken(self) -> np.ndarray:
        """The dimensions in which some number is NaN, and so are all statistics. Shape: (dimensions,)."""
        broken: np.ndarray = np.isnan(self._moments.most).any(axis=0)
        return broken

    def needs_second_pass(self) -> bool:
        """Return whether a quantile is unknown, and get ready to take in all rows once more."""
        if (
            self._has_gaps
            or not self._count
            or all(self._quantile(q) is not None for q in self._quantiles.values())
        ):
            return False
        wanted = [
            rank for level in self._quantiles.values() for rank in quantile_ranks(level, self._count)[:2]
        ]
        self.ranks = [
            held if is_broken else held.prepare_second_pass(wanted)
            for held, is_broken in zip(self.ranks, self._broken, strict=True)
        ]
        self._is_second = True
        return True

    def add(self, number: int, column: pa.ChunkedArray, buffers: _Buffers) -> None:
        """Take in the rows of a batch. Raises ValueError if the column has another shape."""
        rows = len(column) * rows_per_frame(self.feature)
        numbers = buffers.of(self.feature.stat_size, rows, sorting_dtype(self.feature))
        at = 0
        for chunk in column.chunks:
            values, missing = to_rows(chunk, self.feature)
            self._has_gaps |= missing is not None and bool(missing.any())
            numbers[:, at : at + len(values)] = values.T
            at += len(values)
        if rows and not self._has_gaps:
            self._add(number, numbers, buffers.of(1, rows, np.dtype(np.float64))[0])

    @quiet
    def _add(self, number: int, numbers: Numbers, workers: np.ndarray) -> None:
        """Take in a batch, whose numbers are put in order. Shape: (dimensions, rows)."""
        numbers.sort(axis=1)
        if not self._is_second:
            self._note(number, numbers, workers)
        # Each batch begins with another dimension: threads would wait for each other.
        for dimension in np.roll(np.arange(len(numbers)), number * len(numbers) // 2).tolist():
            if not np.isnan(self._moments.most[number, dimension]):
                with self._locks[dimension]:
                    self.ranks[dimension].add(numbers[dimension])

    def _note(self, number: int, ordered: Numbers, workers: np.ndarray) -> None:
        """Note a batch's moments, counted from the median: the mean is within a deviation of it."""
        moments, rows = self._moments, ordered.shape[1]
        moments.least[number], moments.most[number] = ordered[:, 0], ordered[:, -1]
        moments.counts[number] = rows
        medians = ordered[:, rows // 2].astype(np.float64)
        medians[~np.isfinite(medians)] = 0
        for dimension, (own, median) in enumerate(zip(ordered, medians, strict=True)):
            np.copyto(workers, own, casting="unsafe")
            np.subtract(workers, median, out=workers)
            shift = workers.mean()
            moments.mean[number, dimension] = median + shift
            moments.variance[number, dimension] = np.einsum("i,i", workers, workers) / rows - shift * shift

    @quiet
    def finish(self) -> FeatureStats | None:
        """Return the statistics, or None if the numbers have to be gathered after all."""
        moments, counts, count = self._moments, self._moments.counts[:, 0], self._count
        if self._has_gaps or count == 0:
            return None
        mean = counts @ moments.mean / count
        variance = counts @ (moments.variance + (moments.mean - mean) ** 2) / count
        there = counts > 0
        moments_of_all = {
            "min": moments.least[there].min(axis=0),
            "max": moments.most[there].max(axis=0),
            "mean": mean,
            "std": np.sqrt(variance),
        }
        quantiles = {name: self._quantile(level) for name, level in self._quantiles.items()}
        found = {name: values for name, values in (moments_of_all | quantiles).items() if values is not None}
        whole = {name: np.where(self._broken, np.nan, values) for name, values in found.items()}
        return FeatureStats({**whole, "count": np.array([count / rows_per_frame(self.feature)])}, None)

    def _quantile(self, level: float) -> np.ndarray | None:
        """Return a quantile of each dimension, or None if a number was not held. Shape: (dimensions,)."""
        below, above, t = quantile_ranks(level, self._count)
        told = [
            (np.nan, np.nan) if is_broken else (held.at(below), held.at(above))
            for held, is_broken in zip(self.ranks, self._broken, strict=True)
        ]
        if any(value is None for pair in told for value in pair):
            return None
        lower, upper = np.array(told, np.float64).T
        return interpolate(lower, upper, t)
