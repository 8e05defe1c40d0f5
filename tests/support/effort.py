"""How much is tried: `make test` takes a few of what `make thorough` goes through whole.

What is only tried there, and what stands in its place in `make test`, is listed in tests/README.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pytest

thorough = pytest.mark.thorough
T = TypeVar("T")


class Effort:
    """Set by conftest.py before any test is collected: whether thorough tests were asked for."""

    whole = False


def examples(few: int, *, whole: int) -> int:
    """How many examples hypothesis draws for a property."""
    return whole if Effort.whole else few


def every_nth(n: int) -> pytest.MarkDecorator:
    """`make test` takes every `n`-th case of this test, the first one always."""
    return pytest.mark.every_nth(n)


def leave_to_thorough(items: Iterable[pytest.Item]) -> None:
    """Mark as thorough the cases of tests with `every_nth` whose turn it is not."""
    seen: Counter[str] = Counter()
    for item in items:
        if mark := item.get_closest_marker("every_nth"):
            name = item.nodeid.split("[")[0]
            if seen[name] % mark.args[0]:
                item.add_marker(thorough)
            seen[name] += 1


def in_turn(things: Sequence[T], turn: int, *, every: int) -> Sequence[T]:
    """Each `every`-th thing, beginning elsewhere at each turn: so many turns together meet all of them."""
    return things if Effort.whole else things[turn % every :: every]


def few(cases: Iterable[Any], *, kept: Callable[[int], bool]) -> list[Any]:
    """The cases as parameters; those whose number is not `kept` are only there in `make thorough`."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=[] if kept(n) else [thorough])
        for n, case in enumerate(cases)
        if Effort.whole or kept(n)
    ]
