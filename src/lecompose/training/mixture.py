"""In which order items of several sources are drawn, so that each has its share of every batch."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from lecompose.errors import RequestError, near

_Ints = np.ndarray
# Numbers like 1/3 in floats are taken for what they were meant to be.
_DENOMINATOR = 10**6
# Items are handed out so many at a time.
_PART = 65_536


@dataclass
class MixtureSampler:
    """Draws items for torch.utils.data.DataLoader(sampler=…), of each source as many as its share says.

    Of the first n items drawn each source has its share to within one, for every n. So each batch has its
    share to within one, too, exactly where the batch size times each share is a whole number. Within a source
    frames are drawn without replacement: all of them before one comes again. The seed and the number of the
    epoch decide; each pass over the sampler is the next epoch, unless `set_epoch` says which one.

    `items` are the first item of each episode of a source and the one behind its last. Shape: (episodes, 2).
    """

    items: Sequence[_Ints]
    shares: Sequence[Fraction]
    seed: int | str = 0
    epoch: int = field(default=0, kw_only=True)

    def __len__(self) -> int:
        """How many items an epoch has: as many as there are frames."""
        return sum(map(_count, self.items))

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next pass is."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._draw(epoch)

    @cached_property
    def _turns(self) -> _Ints:
        return take_turns(self.shares, len(self))

    def _draw(self, epoch: int) -> Iterator[int]:
        turns = self._turns
        drawn = np.empty(len(turns), np.int64)
        for source, spans in enumerate(self.items):
            own = np.flatnonzero(turns == source)
            drawn[own] = _draw_rounds(spans, len(own), f"{self.seed}/{epoch}/{source}")
        for start in range(0, len(drawn), _PART):
            yield from drawn[start : start + _PART].tolist()


def make_sampler(
    weights: Mapping[str, float | str],
    names: Sequence[str],
    sources: _Ints,
    spans: tuple[_Ints, _Ints],
    seed: int | str,
) -> MixtureSampler:
    """Return what draws items by weights of sources; `sources` are those of the selected episodes, `spans`
    their items.

    Raises:
        RequestError: unless each source with frames has one weight, a number above 0.
    """
    at = {name: np.flatnonzero((sources == n) & (spans[1] > spans[0])) for n, name in enumerate(names)}
    used = [name for name in names if len(at[name])]
    problems = [f'there is no source "{name}"{near(name, names)}' for name in weights if name not in names]
    problems += [f'no episode of "{n}" is selected' for n in weights if n in names and n not in used]
    problems += [f'"{name}" has no weight' for name in used if name not in weights]
    if problems:
        raise RequestError(f"weights: each of the sources {', '.join(used)} needs one", parts=problems)
    numbers = {name: _parse_weight(name, weights[name]) for name in used}
    whole = sum(numbers.values(), Fraction(0))
    items = [np.stack([spans[0][at[name]], spans[1][at[name]]], axis=1) for name in used]
    return MixtureSampler(items, [numbers[name] / whole for name in used], seed)


def take_turns(shares: Sequence[Fraction], count: int) -> _Ints:
    """Return whose turn it is, `count` times: at every time each has had its share to within one turn.

    Source: R. Tijdeman, The chairman assignment problem, 1980: of those who may not wait, who has to come
    first. It repeats itself once all shares are whole numbers of turns.
    """
    if len(shares) == 1:
        return np.zeros(count, np.int16)
    whole = math.lcm(*(share.denominator for share in shares))
    wanted = [int(share * whole) for share in shares]
    turns = np.empty(min(whole, count), np.int16)
    # In units of 1 / (whole × slack): slack is 2m - 2.
    slack = 2 * len(shares) - 2
    patience = [math.lcm(*wanted) // want for want in wanted]
    had = [0] * len(shares)
    for n in range(len(turns)):
        due = [(n + 1) * want * slack - had[i] * whole * slack for i, want in enumerate(wanted)]
        may = [i for i in range(len(shares)) if due[i] >= whole]
        first = min(may, key=lambda i: (whole * (slack - 1) - due[i]) * patience[i])
        turns[n] = first
        had[first] += 1
    return np.resize(turns, count)


def _draw_rounds(spans: _Ints, count: int, seed: str) -> _Ints:
    """Return so many items of these spans: all of them in an order of their own, then again in another."""
    lengths = spans[:, 1] - spans[:, 0]
    every = np.repeat(spans[:, 0] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    rounds = [_shuffle(every, f"{seed}/{number}") for number in range(-(-count // len(every)))]
    return np.concatenate([*rounds, every[:0]])[:count]


def _shuffle(items: _Ints, seed: str) -> _Ints:
    words = np.frombuffer(hashlib.sha256(seed.encode()).digest(), np.uint32)
    return np.random.default_rng(words).permutation(items)


def _count(spans: _Ints) -> int:
    return int((spans[:, 1] - spans[:, 0]).sum())


def _parse_weight(name: str, said: float | str) -> Fraction:
    try:
        number = Fraction(str(said)).limit_denominator(_DENOMINATOR)
    except (ValueError, ZeroDivisionError):
        number = Fraction(0)
    if number <= 0:
        raise RequestError(
            f'weights: "{name}" has {said}; a number above 0 is needed', hint="episodes= without its episodes"
        )
    return number
