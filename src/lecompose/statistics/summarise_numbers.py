"""Exact statistics of numbers: min, max, mean, std and the quantiles wanted, a value per dimension.

Sums are in float64; the deviation is taken from the mean, not from a difference of squares, so that values
far from zero keep theirs. Quantiles are those of `numpy.quantile(method="linear")`, bit for bit.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lecompose.formats import MOMENTS, QUANTILES

Numbers = NDArray[Any]
Floats = NDArray[np.float64]
# Statistics by name. Shape: (dimensions,) each; of runs, (runs, dimensions).
Statistics = dict[str, Floats]

# OpenBLAS starts threads for more than 10,000 numbers, which takes longer than their product.
_BLOCK = 1 << 13
# Infinite numbers have no mean; NaN says so without a warning.
quiet = np.errstate(invalid="ignore", over="ignore")


def summarise(dimensions: Numbers, quantiles: Mapping[str, float] = QUANTILES) -> Statistics:
    """Return the statistics of each row of `dimensions`, which is sorted in place.

    Shape: (dimensions, n), of a dtype that `as_sortable` gives. A NaN makes all statistics of its dimension
    NaN, and so does n = 0.
    """
    rows = [_summarise_dimension(numbers, quantiles) for numbers in dimensions]
    return {stat: np.array([row[stat] for row in rows], dtype=np.float64) for stat in rows[0]}


@quiet
def summarise_runs(
    rows: Numbers, lengths: Sequence[int], quantiles: Mapping[str, float] = QUANTILES
) -> Statistics:
    """Return the statistics of each column over each run of rows; the runs follow each other.

    Shape: (sum of lengths, dimensions), of a dtype that `as_sortable` gives → (runs, dimensions) each.
    """
    mean, std = np.full((2, len(lengths), rows.shape[1]), np.nan)
    picked = np.full((len(lengths), 2 + 2 * len(quantiles), rows.shape[1]), np.nan)
    places = {n: _picked_places(n, quantiles) for n in set(lengths)}
    for run, (a, b) in enumerate(pairwise(np.cumsum([0, *lengths]).tolist())):
        if a < b:
            numbers = rows[a:b].astype(np.float64)
            mean[run] = numbers.mean(axis=0)
            off = numbers - mean[run]
            std[run] = np.sqrt(np.mean(off * off, axis=0))
            picked[run] = np.sort(rows[a:b], axis=0)[places[b - a]]
    return _summarise_picked(picked, lengths, quantiles) | {"mean": mean, "std": std}


def summarise_counts(
    values: Floats, counts: NDArray[np.int64], quantiles: Mapping[str, float] = QUANTILES
) -> Statistics:
    """Return the statistics of numbers with few distinct values: each row says how often each occurs.

    Shape: values (n,), ascending; counts (dimensions, n), each row with at least one.
    """
    rows = [_summarise_values(values[row > 0], row[row > 0], quantiles) for row in counts]
    return {stat: np.array([row[stat] for row in rows], dtype=np.float64) for stat in rows[0]}


@quiet
def summarise_sorted(
    runs: Sequence[Numbers], each: Sequence[Mapping[str, float]], quantiles: Mapping[str, float] = QUANTILES
) -> Statistics:
    """Return the statistics of all runs of numbers together. Few numbers are read: files may hold them.

    `each` are the runs' own moments. Shape: each run (n,) of float32, ascending.
    """
    sizes = np.array([len(run) for run in runs])
    own = {stat: np.array([run[stat] for run in each], dtype=np.float64) for stat in MOMENTS}
    mean = np.dot(own["mean"], sizes) / sizes.sum()
    variance = np.dot(own["std"] ** 2 + (own["mean"] - mean) ** 2, sizes) / sizes.sum()
    stats = {"min": own["min"].min(), "max": own["max"].max(), "mean": mean, "std": np.sqrt(variance)}
    for name, q in quantiles.items():
        below, above, t = quantile_ranks(q, int(sizes.sum()))
        a, b = (_at_rank(runs, rank) for rank in (below, above))
        stats[name] = np.where(np.isnan(stats["max"]), np.nan, interpolate(a, b, t))
    return {stat: np.array([value], dtype=np.float64) for stat, value in stats.items()}


def as_sortable(numbers: Numbers) -> Numbers:
    """Return the numbers in a dtype that sorts fast and holds all their values exactly."""
    wider = {"e": np.float32, "?": np.uint8}.get(numbers.dtype.char)
    return numbers.astype(wider) if wider else numbers


@quiet
def _summarise_dimension(numbers: Numbers, quantiles: Mapping[str, float]) -> dict[str, float]:
    """Return the statistics of many numbers; blocks keep the float64 copies small."""
    if not len(numbers):
        return dict.fromkeys((*MOMENTS, *quantiles), float("nan"))
    mean = float(np.mean(numbers, dtype=np.float64))
    squares, work = 0.0, np.empty(min(_BLOCK, len(numbers)))
    for start in range(0, len(numbers), _BLOCK):
        part = numbers[start : start + _BLOCK]
        off = work[: len(part)]
        np.copyto(off, part, casting="unsafe")
        off -= mean
        squares += float(np.dot(off, off))
    numbers.sort()
    picked = numbers[_picked_places(len(numbers), quantiles)].astype(np.float64)
    found = _summarise_picked(picked[None, :, None], [len(numbers)], quantiles)
    exact = {stat: float(values[0, 0]) for stat, values in found.items()}
    return exact | {"mean": mean, "std": float(np.sqrt(squares / len(numbers)))}


def _picked_places(n: int, quantiles: Mapping[str, float]) -> list[int]:
    """Return which of n ordered numbers are needed: the first, the last, and two for each quantile."""
    return [0, n - 1, *(rank for q in quantiles.values() for rank in quantile_ranks(q, n)[:2])]


def _summarise_picked(picked: Floats, lengths: Sequence[int], quantiles: Mapping[str, float]) -> Statistics:
    """Return minimum, maximum and quantiles from the numbers at `_picked_places` of sorted runs, NaN last.

    Shape: picked (runs, places, dimensions) → (runs, dimensions) each.
    """
    low, high = picked[:, 0], picked[:, 1]
    broken = np.isnan(high)
    stats = {"min": np.where(broken, np.nan, low), "max": high}
    last = np.array(lengths)[:, None] - 1
    for place, (name, q) in enumerate(quantiles.items(), start=1):
        t = q * last - np.floor(q * last)
        found = interpolate(picked[:, 2 * place], picked[:, 2 * place + 1], t)
        stats[name] = np.where(broken, np.nan, found)
    return stats


def _summarise_values(
    values: Floats, counts: NDArray[np.int64], quantiles: Mapping[str, float]
) -> dict[str, float]:
    upto = np.cumsum(counts)
    mean = float(np.dot(values, counts) / upto[-1])
    variance = np.dot((values - mean) ** 2, counts) / upto[-1]
    stats = {"min": values[0], "max": values[-1], "mean": mean, "std": np.sqrt(variance)}
    for name, q in quantiles.items():
        below, above, t = quantile_ranks(q, int(upto[-1]))
        a, b = values[np.searchsorted(upto, [below, above], side="right")]
        stats[name] = interpolate(a, b, t)
    return {stat: float(value) for stat, value in stats.items()}


# The float32 numbers in their order, each under a number: minus infinity is the first, infinity the last.
_LOWEST, _HIGHEST = 0x007FFFFF, 0xFF800000


def _at_rank(runs: Sequence[Numbers], rank: int) -> Floats:
    """Return the number at a rank among sorted runs, by bisection."""
    low, high = _LOWEST, _HIGHEST
    while low < high:
        middle = (low + high) // 2
        if sum(int(np.searchsorted(run, _float_at(middle), side="right")) for run in runs) > rank:
            high = middle
        else:
            low = middle + 1
    return np.asarray(_float_at(low), np.float64)


def _float_at(place: int) -> Any:
    bits = place ^ (0x80000000 if place >= 0x80000000 else 0xFFFFFFFF)
    return np.uint32(bits).view(np.float32)


def quantile_ranks(q: float, n: int) -> tuple[int, int, float]:
    """Return the ranks of the two of n ordered numbers around a quantile, and its distance from the lower."""
    place = q * (n - 1)
    below = int(np.floor(place))
    return below, min(below + 1, n - 1), place - below


def interpolate(a: Floats, b: Floats, t: float | Floats) -> Floats:
    """Return the number a share `t` of the way from `a` to `b`.

    Source: numpy.quantile's linear method, with its choice of the nearer end to interpolate from.
    """
    step = b - a
    found = np.where(np.less(t, 0.5), a + step * t, b - step * (1 - t))
    return np.where(a == b, a, found)
