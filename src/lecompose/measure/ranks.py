"""The numbers at some ranks among very many, of which only a few are held.

While numbers come in, those stay that may still be at one of the ranks; of the others it is known how many
lie below. What will be where is a guess from what came so far: a wrong one is known in the end, as a rank
whose number was not held, and never gives another number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lecompose.statistics import Numbers


@dataclass
class _Window:
    """The numbers between two, both included; None where there is no end.

    `values` are ascending, each as often as its `counts` says; `fresh` came since. `below` are those before.
    """

    low: Any
    high: Any
    below: int
    values: Numbers
    counts: np.ndarray
    fresh: list[Numbers] = field(default_factory=list)
    held: int = 0

    def add(self, ordered: Numbers) -> None:
        """Take in what belongs here."""
        start = 0 if self.low is None else int(np.searchsorted(ordered, self.low, side="left"))
        end = len(ordered) if self.high is None else int(np.searchsorted(ordered, self.high, side="right"))
        self.below += start
        if end > start:
            self.fresh.append(ordered[start:end].copy())
            self.held += end - start

    def settle(self) -> None:
        """Each value once, with how often it came."""
        if self.fresh:
            fresh, came = np.unique(np.concatenate(self.fresh), return_counts=True)
            every = np.concatenate([self.values, fresh])
            self.values, places = np.unique(every, return_inverse=True)
            weights = np.concatenate([self.counts, came])
            self.counts = np.bincount(places, weights=weights, minlength=len(self.values)).astype(np.int64)
            self.fresh, self.held = [], len(self.values)

    def between(self, first: int, last: int) -> "_Window":
        """A part of a settled window, from one of its values to another; as open as this one at its ends."""
        part = slice(first, last + 1)
        low = self.low if first == 0 else self.values[first]
        high = self.high if last + 1 == len(self.values) else self.values[last]
        values, below = self.values[part].copy(), self.below + int(self.counts[:first].sum())
        return _Window(low, high, below, values, self.counts[part].copy(), held=len(values))


class Ranks:
    """Takes in sorted numbers of a dtype, and holds at most about `most` of them.

    `levels` are the quantiles near which ranks will be asked for.
    """

    def __init__(self, levels: Sequence[float], dtype: np.dtype, most: int) -> None:
        self._levels, self._most, self.count = levels, most, 0
        self._windows = [_Window(None, None, 0, np.empty(0, dtype), np.empty(0, np.int64))]

    def add(self, ordered: Numbers) -> None:
        """Take in some numbers. Shape: (n,), ascending, without NaN."""
        self.count += len(ordered)
        for window in self._windows:
            window.add(ordered)
        if sum(window.held for window in self._windows) > self._most:
            self._narrow()

    def at(self, rank: int) -> float | None:
        """The number of a rank, the lowest has 0; None where it was not held."""
        for window in self._windows:
            window.settle()
            upto = np.cumsum(window.counts)
            place = rank - window.below
            if len(upto) and 0 <= place < upto[-1]:
                return float(window.values[np.searchsorted(upto, place, side="right")])
        return None

    def _narrow(self) -> None:
        """Hold about half as much: what lies nearest to the ranks that are looked for, as it seems now."""
        for window in self._windows:
            window.settle()
        if sum(window.held for window in self._windows) > self._most // 2:
            self._windows = [narrow for window in self._windows for narrow in self._narrowed(window)]

    def _narrowed(self, window: _Window) -> list[_Window]:
        upto = np.cumsum(window.counts)
        reach = self._most // (4 * max(1, len(self._levels)))
        spans = []
        for level in self._levels:
            place = level * (self.count - 1) - window.below
            if len(upto) and -reach <= place < upto[-1] + reach:
                ends = np.searchsorted(upto, [place - reach, place + reach], side="right")
                first, last = np.minimum(ends, len(upto) - 1)
                spans.append((int(first), int(last)))
        return [window.between(first, last) for first, last in _merged(spans)]


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch as one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            first, last = merged[-1][0], max(last, merged.pop()[1])
        merged.append((first, last))
    return merged
