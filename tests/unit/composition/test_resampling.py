"""Which frames are taken of sources of different rates, and when they are shown."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.composition.resampling import SourceResampling, plan_resampling
from lecompose.dataset.catalog import Source


def source(name: str, fps: float) -> Source:
    return Source(name, 0, name, Path(name), "v3.0", {"fps": fps}, ())


def rows(frames: range) -> pa.RecordBatch:
    numbers = np.array(frames)
    stamps = (numbers / 30).astype(np.float32)
    return pa.record_batch({"frame_index": pa.array(numbers), "timestamp": stamps, "x": numbers * 10})


@given(stride=st.integers(1, 7), first=st.integers(0, 50), count=st.integers(0, 40))
def test_every_frame_on_the_grid_and_no_other(stride: int, first: int, count: int) -> None:
    """Batches begin anywhere in an episode: what is taken does not depend on where."""
    taken = SourceResampling(stride, None, Fraction(30)).apply(rows(range(first, first + count)))
    wanted = [n for n in range(first, first + count) if n % stride == 0]
    assert taken["x"].to_pylist() == [10 * n for n in wanted]
    assert taken["frame_index"].to_pylist() == [n // stride for n in wanted]
    assert taken["timestamp"].to_pylist() == [float(np.float32(n / 30)) for n in wanted]


def test_timed_anew() -> None:
    taken = SourceResampling(1, Fraction(30000, 1001), Fraction(30)).apply(rows(range(5, 8)))
    assert taken["timestamp"].to_pylist() == [float(np.float32(n * 1001 / 30000)) for n in (5, 6, 7)]
    assert taken["frame_index"].to_pylist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("rates", "fps", "strides"),
    [
        ((30, 15, 5), 5, [6, 3, 1]),
        ((30, 30), 30, [1, 1]),
        ((29.97, 9.99), "9.99", [3, 1]),
        ((7.5, 2.5), "2.5", [3, 1]),
    ],
)
def test_whole_multiples(rates: tuple[float, ...], fps: float | str, strides: list[int]) -> None:
    sources = [source(str(n), rate) for n, rate in enumerate(rates)]
    found = plan_resampling(sources, fps=Fraction(str(fps)), retime=None)
    assert list(found.strides.values()) == strides
    assert found.problems == ()
    assert len(found.notes) == sum(stride > 1 for stride in strides)
    assert found.downsampled == {str(n) for n, stride in enumerate(strides) if stride > 1}


@pytest.mark.parametrize(
    ("rates", "hint"),
    [
        ((30, 20), "--fps 10"),
        ((25, 15, 10), "--fps 5"),
        ((29.97, 30), "two outputs"),
        ((7.5, 5), "--fps 2.5"),
    ],
)
def test_the_way_out(rates: tuple[float, ...], hint: str) -> None:
    (problem,) = plan_resampling(
        [source(str(n), r) for n, r in enumerate(rates)], fps=None, retime=None
    ).problems
    assert problem.endswith(f"Try: {hint}{', which leaves frames out' if 'fps' in hint else ''}")


def test_retiming_changes_only_the_sources_of_other_rates() -> None:
    found = plan_resampling([source("a", 30), source("b", 15)], fps=None, retime=Fraction(15))
    assert (found.retimed, found.downsampled, found.problems) == ({"a"}, frozenset(), ())
    assert found.of_source("b") == SourceResampling(1, None, Fraction(15))
    assert found.of_source("a") == SourceResampling(1, Fraction(15), Fraction(30))


def test_a_piece_is_numbered_and_timed_from_its_start() -> None:
    """Rows of two pieces and a whole episode in one batch; the episode's own times stay, odd as they are."""
    held = pa.concat_batches([rows(range(5, 8)), rows(range(2, 4)), rows(range(3))])
    odd = pa.array(np.array(held["timestamp"]) + np.float32(0.001))
    held = held.set_column(1, held.schema.field(1), odd)
    begun = SourceResampling(1, None, Fraction(30)).begin_at(held, np.array([5] * 3 + [2] * 2 + [0] * 3))
    assert begun["frame_index"].to_pylist() == [0, 1, 2, 0, 1, 0, 1, 2]
    counted = [float(np.float32(n / 30)) for n in (0, 1, 2, 0, 1)]
    assert begun["timestamp"].to_pylist() == [*counted, *odd.to_pylist()[5:]]
    assert begun["x"].equals(held["x"])
    assert begun.schema == held.schema


def test_frames_of_a_piece_are_left_out_from_its_start() -> None:
    taken = SourceResampling(2, None, Fraction(30))
    held = taken.apply(taken.begin_at(rows(range(3, 8)), np.full(5, 3)))
    assert held["x"].to_pylist() == [30, 50, 70]
    assert held["frame_index"].to_pylist() == [0, 1, 2]
    assert held["timestamp"].to_pylist() == [float(np.float32(n / 30)) for n in (0, 2, 4)]
