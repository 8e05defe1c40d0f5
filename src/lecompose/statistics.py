"""Exact statistics of numbers: min, max, mean, std and the quantiles wanted, a value per dimension.

Sums are in float64; the deviation is taken from the mean, not from a difference of squares, so that values
far from zero keep theirs. Quantiles are those of `numpy.quantile(method="linear")`, bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lecompose.formats import MOMENTS, QUANTILES

Numbers = NDArray[Any]
Floats = NDArray[np.float64]
# Statistics by name. Shape: (dimensions,) each; of runs, (runs, dimensions).
Statistics = dict[str, Floats]

_BLOCK = 1 << 20
# Infinite numbers have no mean; NaN says so without a warning.
quiet = np.errstate(invalid="ignore", over="ignore")


@dataclass(frozen=True)
class Wanted:
    """Which statistics an output holds, and where they are from.

    `quantiles` by name, as {"q50": 0.5}. Those of episodes are the sources' where they are `carried`, and
    computed where they are not; those of pictures are decoded only for `pictures`, else always carried.
    """

    quantiles: Mapping[str, float]
    carried: bool = True
    pictures: bool = False

    @property
    def computed(self) -> tuple[str, ...]:
        """What is computed of numbers."""
        return (*MOMENTS, *self.quantiles)

    @property
    def names(self) -> tuple[str, ...]:
        """All statistics, in the order in which they are written."""
        return (*MOMENTS, "count", *self.quantiles)


def summarise(dimensions: Numbers, quantiles: Mapping[str, float] = QUANTILES) -> Statistics:
    """The statistics of each row of `dimensions`, which is sorted in place.

    Shape: (dimensions, n), of a dtype that `sortable` gives. A NaN makes all statistics of its dimension
    NaN, and so does n = 0.
    """
    rows = [_of_dimension(numbers, quantiles) for numbers in dimensions]
    return {stat: np.array([row[stat] for row in rows], dtype=np.float64) for stat in rows[0]}


def summarise_runs(
    rows: Numbers, lengths: Sequence[int], quantiles: Mapping[str, float] = QUANTILES
) -> Statistics:
    """The statistics of each column over each run of so many rows, one run behind the other.

    Shape: (sum of lengths, dimensions), of a dtype that `sortable` gives → (runs, dimensions) each.
    """
    starts = np.cumsum([0, *lengths])
    runs = [_of_rows(rows[a:b], quantiles) for a, b in pairwise(starts)]
    return {stat: np.stack([run[stat] for run in runs]) for stat in runs[0]}


def summarise_counts(
    values: Floats, counts: NDArray[np.int64], quantiles: Mapping[str, float] = QUANTILES
) -> Statistics:
    """The statistics of numbers of which there are few values: each row says how often each value is there.

    Shape: values (n,), ascending; counts (dimensions, n), each row with at least one.
    """
    rows = [_of_counts(values[row > 0], row[row > 0], quantiles) for row in counts]
    return {stat: np.array([row[stat] for row in rows], dtype=np.float64) for stat in rows[0]}


@quiet
def summarise_sorted(
    runs: Sequence[Numbers], each: Sequence[Mapping[str, float]], quantiles: Mapping[str, float] = QUANTILES
) -> Statistics:
    """The statistics of runs of numbers, all together. Few numbers are looked at: files may hold them.

    `each` are the runs' own moments. Shape: each run (n,) of float32, ascending.
    """
    sizes = np.array([len(run) for run in runs])
    own = {stat: np.array([run[stat] for run in each], dtype=np.float64) for stat in MOMENTS}
    mean = np.dot(own["mean"], sizes) / sizes.sum()
    variance = np.dot(own["std"] ** 2 + (own["mean"] - mean) ** 2, sizes) / sizes.sum()
    stats = {"min": own["min"].min(), "max": own["max"].max(), "mean": mean, "std": np.sqrt(variance)}
    for name, q in quantiles.items():
        below, above, t = ranks(q, int(sizes.sum()))
        a, b = (_at_rank(runs, rank) for rank in (below, above))
        stats[name] = np.where(np.isnan(stats["max"]), np.nan, between(a, b, t))
    return {stat: np.array([value], dtype=np.float64) for stat, value in stats.items()}


def sortable(numbers: Numbers) -> Numbers:
    """`numbers` in a dtype that sorts fast and holds every value of theirs."""
    wider = {"e": np.float32, "?": np.uint8}.get(numbers.dtype.char)
    return numbers.astype(wider) if wider else numbers


@quiet
def _of_dimension(numbers: Numbers, quantiles: Mapping[str, float]) -> dict[str, float]:
    """Many numbers: blocks keep the float64 copies small."""
    if not len(numbers):
        return dict.fromkeys((*MOMENTS, *quantiles), float("nan"))
    mean = float(np.mean(numbers, dtype=np.float64))
    squares = 0.0
    for start in range(0, len(numbers), _BLOCK):
        off = numbers[start : start + _BLOCK].astype(np.float64) - mean
        squares += float(np.dot(off, off))
    numbers.sort()
    ordered = _of_ordered(numbers[:, None], quantiles)
    exact = {stat: float(values[0]) for stat, values in ordered.items()}
    return exact | {"mean": mean, "std": float(np.sqrt(squares / len(numbers)))}


@quiet
def _of_rows(rows: Numbers, quantiles: Mapping[str, float]) -> dict[str, Floats]:
    """A few rows, all columns at once."""
    if not len(rows):
        return {stat: np.full(rows.shape[1], np.nan) for stat in (*MOMENTS, *quantiles)}
    numbers = rows.astype(np.float64)
    mean = numbers.mean(axis=0)
    off = numbers - mean
    exact = _of_ordered(np.sort(rows, axis=0), quantiles)
    return exact | {"mean": mean, "std": np.sqrt(np.mean(off * off, axis=0))}


def _of_ordered(ordered: Numbers, quantiles: Mapping[str, float]) -> dict[str, Floats]:
    """Minimum, maximum and quantiles of columns that are sorted, NaN last."""
    low, high = ordered[0].astype(np.float64), ordered[-1].astype(np.float64)
    broken = np.isnan(high)
    stats = {"min": np.where(broken, np.nan, low), "max": high}
    for name, q in quantiles.items():
        below, above, t = ranks(q, len(ordered))
        a, b = ordered[below].astype(np.float64), ordered[above].astype(np.float64)
        stats[name] = np.where(broken, np.nan, between(a, b, t))
    return stats


def _of_counts(values: Floats, counts: NDArray[np.int64], quantiles: Mapping[str, float]) -> dict[str, float]:
    upto = np.cumsum(counts)
    mean = float(np.dot(values, counts) / upto[-1])
    variance = np.dot((values - mean) ** 2, counts) / upto[-1]
    stats = {"min": values[0], "max": values[-1], "mean": mean, "std": np.sqrt(variance)}
    for name, q in quantiles.items():
        below, above, t = ranks(q, int(upto[-1]))
        a, b = values[np.searchsorted(upto, [below, above], side="right")]
        stats[name] = between(a, b, t)
    return {stat: float(value) for stat, value in stats.items()}


# The float32 numbers in their order, each under a number: minus infinity is the first, infinity the last.
_LOWEST, _HIGHEST = 0x007FFFFF, 0xFF800000


def _at_rank(runs: Sequence[Numbers], rank: int) -> Floats:
    """The number of a rank among sorted runs, found by halving."""
    low, high = _LOWEST, _HIGHEST
    while low < high:
        middle = (low + high) // 2
        if sum(int(np.searchsorted(run, _numbered(middle), side="right")) for run in runs) > rank:
            high = middle
        else:
            low = middle + 1
    return np.asarray(_numbered(low), np.float64)


def _numbered(place: int) -> Any:
    bits = place ^ (0x80000000 if place >= 0x80000000 else 0xFFFFFFFF)
    return np.uint32(bits).view(np.float32)


def ranks(q: float, n: int) -> tuple[int, int, float]:
    """The two of n ordered numbers that a quantile lies between, and how far from the lower one."""
    place = q * (n - 1)
    below = int(np.floor(place))
    return below, min(below + 1, n - 1), place - below


def between(a: Floats, b: Floats, t: float) -> Floats:
    """Source: numpy.quantile's linear method, its choice of the nearer end to interpolate from included."""
    step = b - a
    found: Floats = a + step * t if t < 0.5 else b - step * (1 - t)
    return np.where(a == b, a, found)
