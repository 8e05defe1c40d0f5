"""Exact statistics of numbers: min, max, mean, std and quantiles, a value per dimension.

Sums are in float64; the deviation is taken from the mean, not from a difference of squares, so that values
far from zero keep theirs. Quantiles are those of `numpy.quantile(method="linear")`, bit for bit.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lecompose.formats import QUANTILES

Numbers = NDArray[Any]
Floats = NDArray[np.float64]
# Statistics by name. Shape: (dimensions,) each; of runs, (runs, dimensions).
Statistics = dict[str, Floats]

_BLOCK = 1 << 20


def summarise(dimensions: Numbers) -> Statistics:
    """The statistics of each row of `dimensions`, which is sorted in place.

    Shape: (dimensions, n), n at least 1, of a dtype that `sortable` gives. A NaN makes all statistics of its
    dimension NaN.
    """
    rows = [_of_dimension(numbers) for numbers in dimensions]
    return {stat: np.array([row[stat] for row in rows], dtype=np.float64) for stat in rows[0]}


def summarise_runs(rows: Numbers, lengths: Sequence[int]) -> Statistics:
    """The statistics of each column over each run of so many rows, one run behind the other.

    Shape: (sum of lengths, dimensions), of a dtype that `sortable` gives → (runs, dimensions) each.
    """
    starts = np.cumsum([0, *lengths])
    runs = [_of_rows(rows[a:b]) for a, b in pairwise(starts)]
    return {stat: np.stack([run[stat] for run in runs]) for stat in runs[0]}


def sortable(numbers: Numbers) -> Numbers:
    """`numbers` in a dtype that sorts fast and holds every value of theirs."""
    wider = {"e": np.float32, "?": np.uint8}.get(numbers.dtype.char)
    return numbers.astype(wider) if wider else numbers


# Infinite numbers have no mean; NaN says so without a warning.
_quiet = np.errstate(invalid="ignore", over="ignore")


@_quiet
def _of_dimension(numbers: Numbers) -> dict[str, float]:
    """Many numbers: blocks keep the float64 copies small."""
    mean = float(np.mean(numbers, dtype=np.float64))
    squares = 0.0
    for start in range(0, len(numbers), _BLOCK):
        off = numbers[start : start + _BLOCK].astype(np.float64) - mean
        squares += float(np.dot(off, off))
    numbers.sort()
    exact = {stat: float(values[0]) for stat, values in _of_ordered(numbers[:, None]).items()}
    return exact | {"mean": mean, "std": float(np.sqrt(squares / len(numbers)))}


@_quiet
def _of_rows(rows: Numbers) -> dict[str, Floats]:
    """A few rows, all columns at once."""
    numbers = rows.astype(np.float64)
    mean = numbers.mean(axis=0)
    off = numbers - mean
    exact = _of_ordered(np.sort(rows, axis=0))
    return exact | {"mean": mean, "std": np.sqrt(np.mean(off * off, axis=0))}


def _of_ordered(ordered: Numbers) -> dict[str, Floats]:
    """Minimum, maximum and quantiles of columns that are sorted, NaN last."""
    low, high = ordered[0].astype(np.float64), ordered[-1].astype(np.float64)
    broken = np.isnan(high)
    stats = {"min": np.where(broken, np.nan, low), "max": high}
    for name, q in QUANTILES.items():
        stats[name] = np.where(broken, np.nan, _quantile(ordered, q))
    return stats


def _quantile(ordered: Numbers, q: float) -> Floats:
    """Source: numpy.quantile's linear method, its choice of the nearer end to interpolate from included."""
    place = q * (len(ordered) - 1)
    below = int(np.floor(place))
    above = min(below + 1, len(ordered) - 1)
    a, b = ordered[below].astype(np.float64), ordered[above].astype(np.float64)
    t = place - below
    step = b - a
    found: Floats = a + step * t if t < 0.5 else b - step * (1 - t)
    return np.where(a == b, a, found)
