"""Episodes named by number, and parts that are fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.composition.plan.episode_lists import find_overlaps, select_episodes
from lecompose.composition.plan.split_parts import separate_fractions
from lecompose.errors import RequestError, UnknownEpisode

HAVE = range(10)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("0", [0]),
        ("0,3:7", [0, 3, 4, 5, 6]),
        ("7:", [7, 8, 9]),
        (":2", [0, 1]),
        (":", list(HAVE)),
        (" 3 , 1,1, 2:4", [1, 2, 3]),
        ("0:10", list(HAVE)),
        ([5, 2, 2], [2, 5]),
        (range(8, 10), [8, 9]),
    ],
)
def test_chosen(said: str | list[int], means: list[int]) -> None:
    assert select_episodes(said, HAVE) == means


@pytest.mark.parametrize("said", ["", "a", "1-3", "3:2", "4:4", "1;2", "-1", "0:5:2", "1.5", []])
def test_not_a_selection(said: str | list[int]) -> None:
    with pytest.raises(RequestError) as error:
        select_episodes(said, HAVE)
    assert "Try:" in str(error.value) or "is empty" in str(error.value)


@pytest.mark.parametrize("said", ["10", "0:11", "12:", "3,77", [-1], [3, 10]])
def test_unknown_episodes_are_named_with_what_there_is(said: str | list[int]) -> None:
    with pytest.raises(UnknownEpisode, match="there are episodes 0 to 9; there is no:"):
        select_episodes(said, HAVE)


def test_all_unknown_episodes_at_once() -> None:
    with pytest.raises(UnknownEpisode, match=r"(?s)episode 10\n.*episodes 20 to 29\n.*episode 99"):
        select_episodes("10,3,20:30,99", HAVE)


def test_ranges_over_gaps_take_what_is_there() -> None:
    assert select_episodes("0:9", [0, 4, 8]) == [0, 4, 8]
    with pytest.raises(UnknownEpisode, match="episodes 1 to 3"):
        select_episodes("1:4", [0, 4, 8])


@given(st.sets(st.integers(0, 30)), st.data())
def test_text_and_integers_mean_the_same(have: set[int], data: st.DataObject) -> None:
    if not have:
        return
    some = data.draw(st.lists(st.sampled_from(sorted(have)), min_size=1))
    assert (
        select_episodes(",".join(map(str, some)), sorted(have))
        == select_episodes(some, sorted(have))
        == sorted(set(some))
    )


def test_overlaps() -> None:
    assert find_overlaps({"a": [1, 2, 3], "b": [3, 4], "c": [3, 1]}) == [
        "episode 1: in a and c",
        "episode 3: in a and b and c",
    ]


# Parts ----------------------------------------------------------------------------------------------


def test_fractions_are_exact() -> None:
    shares, numbers = separate_fractions({"a": 0.1, "b": "0.2", "c": "1/3", "d": "25%", "e": Fraction(1, 7)})
    assert shares == {
        "a": Fraction(1, 10),
        "b": Fraction(1, 5),
        "c": Fraction(1, 3),
        "d": Fraction(1, 4),
        "e": Fraction(1, 7),
    }
    assert numbers == {}
    assert separate_fractions({"a": 0.1 + 0.2})[0] == {"a": Fraction(3, 10)}


def test_episodes_are_no_fractions() -> None:
    into = {"a": "0:40", "b": "40,41,57:", "c": "7", "d": [1], "e": range(3)}
    assert separate_fractions(into) == ({}, into)


@pytest.mark.parametrize(
    ("into", "says"),
    [
        ({}, "no part was named"),
        ({"a": "0.8", "b": "0:3"}, "not both; episodes: b"),
        ({"a": 1}, r"Try: 0.8, or \[1\]"),
        ({"a": "0.x"}, "0.x is not a fraction"),
        ({"a": "1/0"}, "1/0 is not a fraction"),
        ({"a": "0.5:3"}, "is not a fraction"),
    ],
)
def test_parts_that_are_none(into: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        separate_fractions(into)  # type: ignore[arg-type]
