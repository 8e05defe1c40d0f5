"""How many episodes each part gets: whole numbers nearest to exact fractions."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

# The part that stands for what no part asked for.
_REST = -1


def apportion(total: int, fractions: Sequence[Fraction]) -> list[int]:
    """`total` by largest remainder; of equal remainders the earlier. What the fractions leave is not given.

    Source: Hamilton's method of apportionment, the rest up to 1 being one more claimant.
    """
    claims = [*fractions, 1 - sum(fractions, Fraction(0))]
    quotas = [claim * total for claim in claims]
    counts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(claims)), key=lambda n: (counts[n] - quotas[n], n))
    for n in by_remainder[: total - sum(counts)]:
        counts[n] += 1
    return counts[:_REST]


def deal_episodes(strata: Mapping[str, int], fractions: Mapping[str, Fraction]) -> dict[str, dict[str, int]]:
    """Return how many episodes of each stratum each part gets.

    Each part's total is exact by largest remainder. Within that, a stratum with enough episodes gives at
    least one to each part, and is otherwise divided as evenly as whole episodes can be.
    """
    parts = list(fractions.values())
    claims = [*parts, 1 - sum(parts, Fraction(0))]
    sizes = list(strata.values())
    totals = apportion(sum(sizes), parts)
    totals.append(sum(sizes) - sum(totals))
    counts = _matrix([_divide(n, parts) for n in sizes], claims)
    quotas = _matrix([[float(n * claim) for claim in claims] for n in sizes], claims)
    least = _matrix([[int(n >= len(parts))] * len(parts) + [0] for n in sizes], claims)
    _level(counts, quotas, least, totals)
    _level(counts, quotas, np.zeros_like(least), totals)
    return {
        stratum: dict(zip(fractions, row[:_REST].tolist(), strict=True))
        for stratum, row in zip(strata, counts, strict=True)
    }


def _matrix(rows: Sequence[Sequence[float]], claims: Sequence[Fraction]) -> np.ndarray:
    """Shape: (strata, parts and the rest)."""
    return np.array(rows).reshape(-1, len(claims))


def _divide(total: int, fractions: Sequence[Fraction]) -> list[int]:
    """One stratum by itself, the rest last: largest remainder, then one for each part if there are enough."""
    counts = apportion(total, fractions)
    counts.append(total - sum(counts))
    if total >= len(fractions):
        for part in range(len(fractions)):
            if counts[part] == 0:
                counts[counts.index(max(counts))] -= 1
                counts[part] = 1
    return counts


def _level(counts: np.ndarray, quotas: np.ndarray, least: np.ndarray, wanted: Sequence[int]) -> None:
    """Move single episodes between parts, where it distorts a stratum least, until the totals are as wanted.

    Shape: (strata, parts and the rest) each; `counts` is changed in place and never falls below `least`.
    """
    while True:
        excess = counts.sum(axis=0) - np.array(wanted)
        moves = [
            (cost, stratum, giver, taker)
            for giver in np.flatnonzero(excess > 0).tolist()
            for taker in np.flatnonzero(excess < 0).tolist()
            for cost, stratum in [_cheapest(counts, quotas, least, giver, taker)]
            if stratum is not None
        ]
        if not moves:
            return
        _, stratum, giver, taker = min(moves)
        counts[stratum, giver] -= 1
        counts[stratum, taker] += 1


def _cheapest(
    counts: np.ndarray, quotas: np.ndarray, least: np.ndarray, giver: int, taker: int
) -> tuple[float, int | None]:
    """Return the stratum in which one episode less for one part and one more for another distorts least."""
    able = np.flatnonzero(counts[:, giver] > least[:, giver])
    if len(able) == 0:
        return 0.0, None
    off = counts - quotas
    # (off - 1)² - off² + (off + 1)² - off², less what is the same everywhere
    costs = off[able, taker] - off[able, giver]
    return float(costs.min()), int(able[int(costs.argmin())])
