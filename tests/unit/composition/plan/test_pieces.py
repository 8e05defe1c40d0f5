"""Stretches of frames for which a condition is true, and how people say which frames they mean."""

from collections.abc import Sequence
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.composition.plan.pieces import _Runs, iterate_spans, parse_span
from lecompose.errors import RequestError

Row = tuple[str, int, int, bool | None]
KINDS = {
    "src_dataset": pa.string(),
    "src_episode": pa.int64(),
    "frame_index": pa.int64(),
    "value": pa.bool_(),
}


def runs(*batches: Sequence[Row]) -> tuple[list[tuple[str, int, int, int]], int]:
    """The runs that are found, and how many frames are neither true nor false."""
    found = _Runs()
    for rows in batches:
        columns = list(zip(*rows, strict=True)) or [()] * len(KINDS)
        arrays = [pa.array(c, kind) for c, kind in zip(columns, KINDS.values(), strict=True)]
        found.add(pa.RecordBatch.from_arrays(arrays, names=list(KINDS)))
    return [tuple(row.values()) for row in found.to_table().to_pylist()], found.undecided


def episode(name: str, number: int, values: str, *, first: int = 0) -> list[Row]:
    """Frames in a row: true for 1, false for 0, null for a question mark."""
    truth = {"1": True, "0": False, "?": None}
    return [(name, number, first + n, truth[value]) for n, value in enumerate(values)]


def test_a_run_goes_on_in_the_next_batch() -> None:
    found = runs(episode("a", 0, "0011"), episode("a", 0, "11", first=4), [], episode("a", 0, "101", first=6))
    assert found == ([("a", 0, 2, 7), ("a", 0, 8, 9)], 0)


def test_a_run_ends_with_its_episode_and_its_source() -> None:
    whole = [*episode("a", 0, "11"), *episode("a", 1, "111"), *episode("b", 1, "11")]
    wanted = [("a", 0, 0, 2), ("a", 1, 0, 3), ("b", 1, 0, 2)]
    assert runs(whole) == (wanted, 0)
    assert runs(whole[:2], whole[2:5], whole[5:]) == (wanted, 0)


def test_what_is_neither_true_nor_false_counts_as_false() -> None:
    assert runs(episode("a", 0, "1?1?")) == ([("a", 0, 0, 1), ("a", 0, 2, 3)], 2)
    assert runs(episode("a", 0, "?0")) == ([], 1)


@given(values=st.lists(st.text("01?", min_size=1, max_size=8), min_size=1, max_size=4), data=st.data())
def test_any_batches_give_the_same_runs(values: list[str], data: st.DataObject) -> None:
    rows = [row for n, text in enumerate(values) for row in episode("a", n, text)]
    at = data.draw(st.lists(st.integers(0, len(rows)), max_size=4).map(sorted))
    batches = [rows[start:end] for start, end in zip([0, *at], [*at, len(rows)], strict=True)]
    found, undecided = runs(*batches)
    inside = {(number, frame) for _, number, start, end in found for frame in range(start, end)}
    assert inside == {(number, frame) for _, number, frame, value in rows if value}
    assert undecided == sum(text.count("?") for text in values)
    behind = {(number, end) for _, number, _, end in found}
    assert not inside & behind, "runs that touch are one"


def test_spans() -> None:
    assert list(iterate_spans("0:300, 300:720,5:,:7,:")) == [
        (0, 300),
        (300, 720),
        (5, None),
        (None, 7),
        (None, None),
    ]


@pytest.mark.parametrize("text", ["", "3", "3-5", "-3:5", "1:2,", "a:b", "1:2:3", "1.5:2"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(RequestError, match="START:END"):
        list(iterate_spans(text))


@pytest.mark.parametrize(
    ("said", "span"),
    [
        (60, 60),
        ("60", 60),
        ("2s", Fraction(2)),
        ("0.2s", Fraction(1, 5)),
        ("250ms", Fraction(1, 4)),
        ("1 min", Fraction(60)),
    ],
)
def test_lengths_of_time(said: int | str, span: Fraction | int) -> None:
    found = parse_span(said, option="--head")
    assert (found, type(found)) == (span, type(span))


@pytest.mark.parametrize("said", ["", "two", "-1s", -1, "1.5", "2h", "s"])
def test_what_is_no_length_of_time(said: int | str) -> None:
    with pytest.raises(RequestError, match="--head"):
        parse_span(said, option="--head")
