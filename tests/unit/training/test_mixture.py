"""Sources have their shares of every batch, and of what is drawn altogether."""

from collections import Counter
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lecompose.errors import RequestError
from lecompose.training.mixture import MixtureSampler, make_sampler, take_turns

# Episodes of three sources in turn: of 4, 6, 3, 5, 2 frames.
SOURCES = np.array([0, 1, 0, 2, 1])
ENDS = np.cumsum([4, 6, 3, 5, 2])
SPANS = (ENDS - [4, 6, 3, 5, 2], ENDS)
NAMES = ("a", "b", "c")
FRAMES = {"a": {*range(4), *range(10, 13)}, "b": {*range(4, 10), 18, 19}, "c": {*range(13, 18)}}


def sampler(weights: dict[str, float], seed: int | str = 0) -> MixtureSampler:
    return make_sampler(weights, NAMES, SOURCES, SPANS, seed)


def source_of(item: int) -> str:
    return next(name for name, frames in FRAMES.items() if item in frames)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 120))
def test_shares_are_kept_at_every_time(weights: list[int], count: int) -> None:
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    turns = take_turns(shares, count)
    assert len(turns) == count
    for n in range(count + 1):
        had = np.bincount(turns[:n], minlength=len(shares))
        assert all(abs(have - n * share) < 1 for have, share in zip(had.tolist(), shares, strict=True))


def test_every_batch_has_its_share() -> None:
    drawn = [source_of(item) for item in sampler({"a": 0.5, "b": 0.3, "c": 0.2})]
    assert len(drawn) == 20
    for start in range(0, 20, 10):
        assert Counter(drawn[start : start + 10]) == {"a": 5, "b": 3, "c": 2}


def test_no_frame_comes_again_before_all_of_its_source_came() -> None:
    drawn = list(sampler({"a": 1, "b": 1, "c": 8}))
    of_c = [item for item in drawn if source_of(item) == "c"]
    assert len(of_c) == 16
    assert all(set(of_c[n : n + 5]) == FRAMES["c"] for n in (0, 5, 10))
    assert of_c[:5] != of_c[5:10] or of_c[5:10] != of_c[10:15]


def test_seed_and_epoch_decide() -> None:
    weights = {"a": 0.5, "b": 0.25, "c": 0.25}
    one = sampler(weights, seed="x")
    first, second = list(one), list(one)
    assert first != second
    assert [list(sampler(weights, seed="x")), list(sampler(weights, seed="y")) != first] == [first, True]
    one.set_epoch(0)
    assert list(one) == first
    assert list(islice(one, 20)) == second


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"a": 1, "b": 1}, '"c" has no weight'),
        ({"a": 1, "b": 1, "c": 1, "cc": 1}, 'did you mean "c"'),
        ({"a": 1, "b": 1, "c": 0}, "above 0"),
        ({"a": 1, "b": "x", "c": 1}, "above 0"),
    ],
)
def test_what_cannot_be(weights: dict[str, float], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        sampler(weights)


def test_a_source_without_episodes_needs_no_weight() -> None:
    made = make_sampler({"a": 3, "b": 1}, NAMES, SOURCES[:3], (SPANS[0][:3], SPANS[1][:3]), 0)
    assert Counter(map(source_of, made)) == {"a": 10, "b": 3}
    with pytest.raises(RequestError, match='no episode of "c"'):
        make_sampler({"a": 1, "b": 1, "c": 1}, NAMES, SOURCES[:3], (SPANS[0][:3], SPANS[1][:3]), 0)
