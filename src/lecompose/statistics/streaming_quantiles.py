"""The numbers at some ranks among very many, of which only a few are held.

While numbers come in, those stay that may still be at one of the ranks; of the others it is known how many
lie below. Which ones to keep is guessed from what came so far. A wrong guess never gives a wrong number: the
number at a rank is then not among those held, which is known, and `at` says None. A thin sample of everything
that came in then says for sure between which numbers to look when they all come in again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lecompose.statistics.summarise_numbers import Numbers

# Of every batch every 64th number is sampled, from the first one on.
_STEP = 64
# How much of what may be held is kept where it has to become less.
_KEPT = 0.6


@dataclass
class _Window:
    """The numbers between two, both included; `below` so many are less.

    `values` are ascending; with `counts` each comes once, as often as that says. `fresh` came in since.
    """

    low: Any
    high: Any
    below: int
    values: Numbers
    counts: np.ndarray | None = None
    fresh: list[Numbers] = field(default_factory=list)
    held: int = 0

    def add(self, ordered: Numbers, start: int, end: int) -> None:
        """Take in what belongs here: from a place on, up to another."""
        self.below += start
        if end > start:
            self.fresh.append(ordered[start:end].copy())
            self.held += end - start

    def settle(self) -> None:
        """Put what came in where it belongs. Where numbers repeat themselves, each is held once."""
        if not self.fresh:
            return
        if self.counts is None:
            self.values = np.sort(np.concatenate([self.values, *self.fresh]))
            if 2 * np.count_nonzero(self.values[1:] == self.values[:-1]) >= len(self.values):
                starts = _starts(self.values)
                self.counts = np.diff(starts, append=len(self.values))
                self.values = self.values[starts]
        else:
            fresh = np.sort(np.concatenate(self.fresh))
            starts = _starts(fresh)
            counts = np.concatenate([self.counts, np.diff(starts, append=len(fresh))])
            values = np.concatenate([self.values, fresh[starts]])
            order = np.argsort(values, kind="stable")
            starts = _starts(values[order])
            self.values, self.counts = values[order][starts], np.add.reduceat(counts[order], starts)
        self.fresh, self.held = [], len(self.values)

    @property
    def total(self) -> int:
        """How many numbers there are, after `settle`."""
        return len(self.values) if self.counts is None else int(self.counts.sum())

    def index(self, place: float) -> int:
        """Return the index of the value at a place; behind the end, that of the last value."""
        last = len(self.values) - 1
        if self.counts is None:
            return min(max(int(place), 0), last)
        return min(int(np.searchsorted(np.cumsum(self.counts), place, side="right")), last)

    def part(self, first: int, last: int) -> "_Window":
        """Return the window from one value to another, as open as this one at its ends."""
        which = slice(first, last + 1)
        low = self.low if first == 0 else self.values[first]
        high = self.high if last + 1 == len(self.values) else self.values[last]
        below = self.below + (first if self.counts is None else int(self.counts[:first].sum()))
        values, counts = self.values[which].copy(), None if self.counts is None else self.counts[which].copy()
        return _Window(low, high, below, values, counts, held=len(values))


def _starts(ordered: Numbers) -> np.ndarray:
    """Return where each number occurs first."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))[: len(ordered)]


class StreamingQuantiles:
    """Takes in sorted numbers of a dtype, and holds at most about `most` of them.

    `levels` are the quantiles near which ranks will be asked for.
    """

    def __init__(self, levels: Sequence[float], dtype: np.dtype, most: float) -> None:
        self._levels, self._most = levels, most
        self._nothing = np.empty(0, dtype)
        self._lowest, self._highest = _limits(dtype)
        self._watch([_Window(self._lowest, self._highest, 0, self._nothing)])
        self._sample: list[Numbers] = []
        self.count = 0

    def add(self, ordered: Numbers) -> None:
        """Take in some numbers. Shape: (n,), ascending, without NaN."""
        self.count += len(ordered)
        self._sample.append(ordered[::_STEP].copy())
        starts = np.searchsorted(ordered, self._lows, side="left")
        ends = np.searchsorted(ordered, self._highs, side="right")
        for window, start, end in zip(self._windows, starts.tolist(), ends.tolist(), strict=True):
            window.add(ordered, start, end)
        if sum(window.held for window in self._windows) > self._most:
            self._narrow()

    def settle(self) -> None:
        """Sort what came in, so that ranks can be asked for; with many numbers this takes time."""
        for window in self._windows:
            window.settle()

    def at(self, rank: int) -> float | None:
        """Return the number at a rank, which is 0 for the lowest; None if it was not held."""
        for window in self._windows:
            window.settle()
            place = rank - window.below
            if 0 <= place < window.total:
                return float(window.values[window.index(place)])
        return None

    def prepare_second_pass(self, ranks: Sequence[int]) -> "StreamingQuantiles":
        """Return what will surely hold the numbers at these ranks when the same batches come in once more."""
        sample = np.sort(np.concatenate(self._sample))
        # Of n samples below a number, n steps less one a batch lie below it at least, n steps at most.
        unsure = (_STEP - 1) * len(self._sample)
        found = StreamingQuantiles(self._levels, self._nothing.dtype, np.inf)
        windows = []
        for first, last in _merge_spans([(r // _STEP, -(-(r + 1 + unsure) // _STEP)) for r in ranks]):
            low = sample[first] if first > 0 else self._lowest
            high = sample[last] if last < len(sample) else self._highest
            windows.append(_Window(low, high, 0, self._nothing))
        found._watch(windows)
        return found

    def _watch(self, windows: list[_Window]) -> None:
        self._windows = windows
        self._lows = np.array([window.low for window in windows], self._nothing.dtype)
        self._highs = np.array([window.high for window in windows], self._nothing.dtype)

    def _narrow(self) -> None:
        """Keep only what seems now to lie nearest to the ranks that will be asked for."""
        self.settle()
        if sum(window.held for window in self._windows) > _KEPT * self._most:
            self._watch([narrow for window in self._windows for narrow in self._narrow_window(window)])

    def _narrow_window(self, window: _Window) -> list[_Window]:
        spans = []
        for level, reach in zip(self._levels, self._reach(), strict=True):
            place = level * (self.count - 1) - window.below
            if window.held and -reach <= place < window.total + reach:
                spans.append((window.index(place - reach), window.index(place + reach)))
        return [window.part(first, last) for first, last in _merge_spans(spans)]

    def _reach(self) -> np.ndarray:
        """Return how far around each quantile to keep numbers: those in the middle move most."""
        levels = np.array(self._levels)
        weights = np.sqrt(levels * (1 - levels)) + 0.02
        reaches: np.ndarray = _KEPT / 2 * self._most * weights / weights.sum()
        return reaches


def _limits(dtype: np.dtype) -> tuple[Any, Any]:
    if dtype.kind == "f":
        return -np.inf, np.inf
    return np.iinfo(dtype).min, np.iinfo(dtype).max


def _merge_spans(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans in order, with those that touch joined."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            start, end = merged.pop()
            first, last = start, max(last, end)
        merged.append((first, last))
    return merged
