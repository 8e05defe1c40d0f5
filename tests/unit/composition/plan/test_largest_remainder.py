"""Whole numbers of episodes from exact fractions, over all and stratum by stratum."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.composition.plan.largest_remainder import apportion, deal_episodes

weights = st.lists(st.integers(1, 20), min_size=1, max_size=4)
strata_sizes = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def parts_of(weights: list[int], *, rest: int) -> dict[str, Fraction]:
    return {f"part {n}": Fraction(w, sum(weights) + rest) for n, w in enumerate(weights)}


@pytest.mark.parametrize(
    ("total", "fractions", "counts"),
    [
        (10, ["4/5", "1/5"], [8, 2]),
        (9, ["4/5", "1/5"], [7, 2]),
        (10, ["1/3", "1/3", "1/3"], [4, 3, 3]),
        (10, ["1/2"], [5]),
        (1, ["1/2", "1/2"], [1, 0]),
        (7, ["1/10", "1/10"], [1, 1]),
        (0, ["1/2", "1/2"], [0, 0]),
        (5, ["1"], [5]),
    ],
)
def test_apportioned(total: int, fractions: list[str], counts: list[int]) -> None:
    assert apportion(total, [Fraction(f) for f in fractions]) == counts


@given(st.integers(0, 200), weights, st.integers(0, 20))
def test_apportioned_is_within_one_of_the_quota(total: int, weights: list[int], rest: int) -> None:
    shares = list(parts_of(weights, rest=rest).values())
    counts = apportion(total, shares)
    assert all(abs(count - share * total) < 1 for count, share in zip(counts, shares, strict=True))
    assert sum(counts) <= total
    if rest == 0:
        assert sum(counts) == total


@given(strata_sizes, weights, st.integers(0, 20))
def test_dealt_keeps_the_totals_exact(sizes: list[int], weights: list[int], rest: int) -> None:
    strata, parts = {f"s{n}": size for n, size in enumerate(sizes)}, parts_of(weights, rest=rest)
    counts = deal_episodes(strata, parts)
    assert list(counts) == list(strata)
    totals = [sum(shares[part] for shares in counts.values()) for part in parts]
    assert totals == apportion(sum(sizes), list(parts.values()))
    for stratum, shares in counts.items():
        assert min(shares.values()) >= 0
        assert sum(shares.values()) <= strata[stratum]


def test_each_stratum_is_in_each_part_where_the_counts_allow() -> None:
    counts = deal_episodes(
        {"cup": 96, "pen": 2, "box": 2}, {"train": Fraction(9, 10), "val": Fraction(1, 10)}
    )
    assert counts == {
        "cup": {"train": 88, "val": 8},
        "pen": {"train": 1, "val": 1},
        "box": {"train": 1, "val": 1},
    }


def test_a_lone_episode_goes_to_the_larger_part() -> None:
    assert deal_episodes({"cup": 9, "pen": 1}, {"train": Fraction(4, 5), "val": Fraction(1, 5)})["pen"] == {
        "train": 1, "val": 0,
    }  # fmt: skip


def test_many_small_strata_do_not_bend_the_totals() -> None:
    counts = deal_episodes({f"s{n}": 3 for n in range(100)}, {"train": Fraction(4, 5), "val": Fraction(1, 5)})
    assert sum(c["val"] for c in counts.values()) == 60
    assert {c["val"] for c in counts.values()} == {0, 1}


def test_a_sample_smaller_than_the_number_of_strata_is_no_larger_than_asked() -> None:
    counts = deal_episodes({f"s{n}": 5 for n in range(10)}, {"some": Fraction(3, 50)})
    assert sum(c["some"] for c in counts.values()) == 3


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 4))
def test_no_other_division_is_nearer(sizes: list[int], weight: int) -> None:
    """Against every division there is: the sum of squared distances from the quotas is the least possible."""
    share = Fraction(weight + 1, 6)
    strata = {f"s{n}": size for n, size in enumerate(sizes)}
    counts = (
        [c["a"] for c in deal_episodes(strata, {"a": share, "b": 1 - share}).values()] if share < 1 else sizes
    )

    def allowed(division: tuple[int, ...]) -> bool:
        enough = all(0 < a < size for a, size in zip(division, sizes, strict=True) if size >= 2)
        return sum(division) == sum(counts) and enough

    def off(division: tuple[int, ...] | list[int]) -> Fraction:
        return sum(((a - share * size) ** 2 for a, size in zip(division, sizes, strict=True)), Fraction(0))

    best = [off(d) for d in product(*(range(size + 1) for size in sizes)) if allowed(d)]
    if best:
        assert off(counts) == min(best)
