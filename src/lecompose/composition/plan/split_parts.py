"""What the parts of a split are to get: fractions of the episodes, or episodes by number."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from lecompose.composition.plan.episode_lists import Episodes
from lecompose.errors import RequestError

SplitPart: TypeAlias = float | Fraction | Episodes

# 0.1 + 0.2 is meant to be 3/10: floats stand for the nearest fraction of this precision.
_FLOAT_PRECISION = 10**9
# How far from 1 the sum of fractions may be that were rounded.
_ROUNDED = Fraction(1, 10**6)


def separate_fractions(into: Mapping[str, SplitPart]) -> tuple[dict[str, Fraction], dict[str, Episodes]]:
    """The parts that are fractions, exact, and those that are episodes by number: all of them are one kind.

    Raises:
        RequestError: for no parts, for fractions beside episode numbers, and for text that is neither.
    """
    if not into:
        raise RequestError("no part was named", hint="--into train=0.8 --into val=0.2")
    shares: dict[str, Fraction] = {}
    numbers: dict[str, Episodes] = {}
    for part, said in into.items():
        read = _read(part, said)
        if isinstance(read, Fraction):
            shares[part] = read
        else:
            numbers[part] = read
    if shares and numbers:
        raise RequestError(
            f"parts are either fractions or episodes, not both; episodes: {', '.join(numbers)}"
            " (a fraction holds a point, a slash or a percent sign: 0.8, 4/5, 80%)"
        )
    return _as_whole(shares), numbers


def _as_whole(shares: dict[str, Fraction]) -> dict[str, Fraction]:
    """Return shares that were rounded, as 0.333333 three times, as what they stand for: they sum to 1."""
    whole = sum(shares.values(), Fraction(0))
    if not 0 < abs(whole - 1) <= _ROUNDED:
        return shares
    return {part: share / whole for part, share in shares.items()}


def _read(part: str, said: SplitPart) -> Fraction | Episodes:
    if isinstance(said, Fraction):
        return said
    if isinstance(said, int):
        raise RequestError(
            f'part "{part}": is {said!r} a fraction or an episode?', hint=f"0.8, or [{said!r}]"
        )
    if isinstance(said, float):
        return _number(part, str(said)).limit_denominator(_FLOAT_PRECISION)
    if isinstance(said, str) and not {".", "/", "%"}.isdisjoint(said):
        percent = said.strip().endswith("%")
        return _number(part, said.strip().removesuffix("%")) / (100 if percent else 1)
    return said


def _number(part: str, text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        hint = "--into once for each part" if "=" in text else "0.8, 4/5 or 80%"
        raise RequestError(f'part "{part}": {text} is not a fraction', hint=hint) from error
