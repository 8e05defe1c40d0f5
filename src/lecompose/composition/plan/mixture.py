"""The plan of a mixture: of each source a share, drawn by the seed."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pyarrow as pa

from lecompose.composition.plan import Plan, number_episodes
from lecompose.composition.plan.largest_remainder import apportion
from lecompose.composition.plan.rows import make_table
from lecompose.dataset.catalog import Catalog
from lecompose.errors import RequestError, near

_ROUNDS = pa.schema(
    [
        ("src_dataset", pa.string()),
        ("round", pa.int64()),
        ("episodes", pa.int64()),
        ("frames", pa.int64()),
    ]
)
# How far from 1 the shares may sum.
_SLACK = Fraction(1, 10**6)


def sample_shares(
    catalog: Catalog,
    *,
    output: str,
    shares: Mapping[str, Fraction],
    episodes: int | None = None,
    frames: int | None = None,
    repeat: bool = False,
    seed: int | str = 0,
) -> Plan:
    """Plan a share of every source, of so many episodes or frames in all, in an order drawn by the seed.

    Counts of episodes are exact by largest remainder; of frames they are as near as whole episodes can be.
    Without a number it is the largest one for which no episode is needed twice; where episodes may `repeat`,
    as many as there are.

    Raises:
        RequestError: for shares that are not of every source, or do not sum to 1; for more than there is.
    """
    _refuse_shares(catalog, shares)
    lengths = {s.name: [row.length for row in catalog.lengths(s)] for s in catalog.sources}
    sizes = {name: len(each) if frames is None else sum(each) for name, each in lengths.items()}
    wanted = frames if frames is not None else episodes
    if wanted is None:
        wanted = sum(sizes.values()) if repeat else min(int(sizes[name] / shares[name]) for name in sizes)
    counts = dict(zip(sizes, _apportion(wanted, [shares[name] for name in sizes]), strict=True))
    what = "episodes" if frames is None else "frames"
    lacking = [f'"{n}": {counts[n]:,} of {sizes[n]:,}' for n in sizes if counts[n] > sizes[n]]
    if lacking and not repeat:
        raise RequestError(f"more {what} are needed than there are", hint="--repeat, or fewer", parts=lacking)
    rows = [row for name in sizes for row in _rounds(name, counts[name], sizes[name], what)]
    catalog.engine.load("rounds", make_table(_ROUNDS, rows))
    catalog.engine.table("picks", "plan/sample_shares", seed=str(seed), output=output)
    number_episodes(catalog, [output])
    note = f"{wanted:,} {what} asked for: " + ", ".join(f"{n:,} of {name}" for name, n in counts.items())
    return Plan((note,), may_repeat=repeat)


def parse_shares(said: Mapping[str, str | float]) -> dict[str, Fraction]:
    """Return shares as fractions: 0.5, "1/3" or "30%".

    Raises:
        RequestError: for what is no number above 0.
    """
    found = {}
    for name, share in said.items():
        word = str(share).strip()
        try:
            number = Fraction(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
        except (ValueError, ZeroDivisionError):
            number = Fraction(0)
        if number <= 0:
            raise RequestError(f"--share {name}={share}: a number above 0 is needed, as 0.5, 1/3 or 30%")
        found[name] = number
    return found


def _refuse_shares(catalog: Catalog, shares: Mapping[str, Fraction]) -> None:
    names = [source.name for source in catalog.sources]
    unknown = [f'"{name}"{near(name, names)}' for name in shares if name not in names]
    lacking = [f'"{name}" has no share' for name in names if name not in shares]
    if unknown or lacking:
        have = ", ".join(names)
        raise RequestError(f"each of the sources {have} needs one share", parts=[*unknown, *lacking])
    whole = sum(shares.values(), Fraction(0))
    if abs(whole - 1) > _SLACK:
        raise RequestError(f"the shares sum to {float(whole):g}, not to 1")


def _apportion(total: int, shares: Sequence[Fraction]) -> list[int]:
    whole = sum(shares, Fraction(0))
    return apportion(total, [share / whole for share in shares])


def _rounds(name: str, count: int, size: int, what: str) -> list[tuple[object, ...]]:
    """Return the rounds in which a source is drawn from: whole ones, and a last one of what is left."""
    whole, left = divmod(count, size)
    rows: list[tuple[object, ...]] = [(name, n, None, None) for n in range(whole)]
    if left:
        rows.append((name, whole, left, None) if what == "episodes" else (name, whole, None, left))
    return rows
