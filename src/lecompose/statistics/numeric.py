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
from lecompose.statistics.exact import Numbers, summarise, summarise_runs
from lecompose.statistics.feature_stats import Measured, joined
from lecompose.statistics.row_groups import (
    Bunch,
    DataFile,
    bunches,
    declared,
    dtype_of,
    read,
    rows_a_frame,
    rows_of,
)
from lecompose.statistics.streamed import streamable, streamed

# Numbers gathered at a time; never more than a quarter of the memory limit either.
_ROOM_BYTES = 2**26


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


def numbers_bytes(
    workers: Workers, files: Sequence[DataFile], features: Sequence[Feature], by_episode: Collection[str] = ()
) -> int:
    """How much `numbers` will tell that it has done, if nothing has to be read twice."""
    at_once, gathered = _divided(workers, files, features, by_episode)
    passes = len(list(_passes(workers, files, gathered))) + bool(at_once)
    return passes * sum(f.path.stat().st_size for f in files)


def numbers(
    workers: Workers,
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
    at_once, _ = _divided(workers, files, features, by_episode)
    found = streamed(workers, files, at_once, quantiles) if at_once else {}
    rest = [feature for feature in features if feature.name not in found]
    lengths = [n for file in files for n in file.lengths]
    parts: dict[str, list[Measured]] = {f.name: [] for f in rest}
    for shares in _passes(workers, files, rest):
        # Taken out one by one: two passes' numbers are never held at once.
        gathered = _gather(workers, files, shares)[::-1]
        for name in (share.feature.name for share in shares):
            measured = _measured(workers, gathered.pop(), lengths, quantiles, by_episode=name in by_episode)
            parts[name].append(measured)
    found |= {name: joined(of_feature, lengths) for name, of_feature in parts.items()}
    return {feature.name: found[feature.name] for feature in features}


def _divided(
    workers: Workers, files: Sequence[DataFile], features: Sequence[Feature], by_episode: Collection[str]
) -> tuple[list[Feature], list[Feature]]:
    """The features that are read once, with little held of them; and those that are gathered."""
    if len(list(_passes(workers, files, features))) <= 1:
        return [], list(features)
    at_once = [f for f in features if f.name not in by_episode and streamable(f)]
    return at_once, [f for f in features if f not in at_once]


def _passes(
    workers: Workers, files: Sequence[DataFile], features: Sequence[Feature]
) -> Iterator[list[_Share]]:
    """What to gather at a time, so that it stays within memory."""
    frames = sum(n for file in files for n in file.lengths)
    room = left = min(_ROOM_BYTES, workers.memory_bytes // 4)
    shares: list[_Share] = []
    for feature in features:
        size = max(1, frames * rows_a_frame(feature) * dtype_of(feature).itemsize)
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


# Gathering --------------------------------------------------------------------------------------


def _gather(workers: Workers, files: Sequence[DataFile], shares: list[_Share]) -> list[_Gathered]:
    features = {share.feature.name: share.feature for share in shares}
    found = bunches(workers, files, list(features.values()))
    gathered = [_empty(share, sum(bunch.frames for bunch in found)) for share in shares]

    def fill(bunch: Bunch) -> None:
        table = read(bunch, list(features))
        for share, into in zip(shares, gathered, strict=True):
            with declared(share.feature, bunch.path):
                _put(table[share.feature.name], share, into, bunch.frame)
        workers.advance(bunch.size_bytes)

    workers.each(found, fill)
    return gathered


def _empty(share: _Share, frames: int) -> _Gathered:
    rows = frames * rows_a_frame(share.feature)
    dimensions = share.columns.stop - share.columns.start
    # Zeros take no memory until something else is written.
    missing = np.zeros((frames, rows_a_frame(share.feature)), bool)
    return _Gathered(np.empty((dimensions, rows), dtype_of(share.feature)), missing)


def _put(column: pa.ChunkedArray, share: _Share, into: _Gathered, frame: int) -> None:
    """Write a share's part of a column where it belongs: from `frame` on."""
    row = frame * rows_a_frame(share.feature)
    for chunk in column.chunks:
        numbers, missing = rows_of(chunk, share.feature)
        end = row + len(numbers)
        into.numbers[:, row:end] = numbers[:, share.columns].T
        if missing is not None:
            into.missing.reshape(-1)[row:end] = missing
        row = end


# Measuring --------------------------------------------------------------------------------------


def _measured(
    workers: Workers,
    found: _Gathered,
    lengths: list[int],
    quantiles: Mapping[str, float],
    *,
    by_episode: bool,
) -> Measured:
    numbers, counts = found.numbers, None
    runs = [length * found.rows_a_frame for length in lengths]
    if found.missing.any():
        known = ~found.missing
        numbers = numbers[:, known.reshape(-1)]
        counts = _per_run(np.all(known, axis=1), lengths)
        runs = _per_run(known.reshape(-1), runs)
    episodes = summarise_runs(numbers.T, runs, quantiles) if by_episode else None
    parts = workers.each(list(numbers), lambda row: summarise(row[None], quantiles))
    return Measured({s: np.concatenate([p[s] for p in parts]) for s in parts[0]}, episodes, counts)


def _per_run(known: np.ndarray, lengths: list[int]) -> list[int]:
    """How many are known in each of the runs that follow each other."""
    upto = np.cumsum([0, *known])
    ends = np.cumsum([0, *lengths])
    return [int(n) for n in upto[ends[1:]] - upto[ends[:-1]]]
