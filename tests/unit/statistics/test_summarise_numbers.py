"""Statistics are numpy's, whatever the numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lecompose.formats import QUANTILES
from lecompose.statistics.summarise_numbers import (
    Statistics,
    as_sortable,
    summarise,
    summarise_runs,
    summarise_sorted,
)

floats = st.floats(-1e6, 1e6, width=32)
rows = arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=floats)


def expected(numbers: np.ndarray) -> dict[str, np.ndarray]:
    wide = numbers.astype(np.float64)
    quantiles = np.quantile(wide, list(QUANTILES.values()), axis=0, method="linear")
    plain = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0)}
    return plain | dict(zip(QUANTILES, quantiles, strict=True))


def assert_equal(found: Statistics, truth: dict[str, np.ndarray]) -> None:
    assert found.keys() == truth.keys()
    for stat, values in truth.items():
        exact = stat not in ("mean", "std")
        tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-12, "atol": 1e-9}
        np.testing.assert_allclose(found[stat], values, **tolerance, err_msg=stat)


@given(rows)
def test_over_all_rows(numbers: np.ndarray) -> None:
    assert_equal(summarise(np.ascontiguousarray(numbers.T)), expected(numbers))


@given(rows, st.data())
def test_over_runs(numbers: np.ndarray, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(numbers)))
    lengths = [n for n in (cut, len(numbers) - cut) if n]
    runs = [numbers[:cut], numbers[cut:]]
    found = summarise_runs(numbers, lengths)
    for n, run in enumerate(r for r in runs if len(r)):
        assert_equal({s: v[n] for s, v in found.items()}, expected(run))


any_floats = arrays(np.float32, st.integers(1, 30), elements=st.floats(-(2.0**99), 2.0**99, width=32))


@given(st.lists(any_floats, min_size=1, max_size=5))
def test_over_sorted_runs(runs: list[np.ndarray]) -> None:
    every = np.concatenate(runs)
    each = [{s: float(v[0]) for s, v in summarise(run[None]).items()} for run in runs]  # sorts them
    found, truth = summarise_sorted(runs, each), expected(every[:, None])
    assert found.keys() == truth.keys()
    for stat, values in truth.items():
        exact = stat not in ("mean", "std")
        scale = 0 if exact else 1e-12 * float(np.abs(every).max())
        np.testing.assert_allclose(found[stat], values, rtol=0, atol=scale, err_msg=stat)


def test_sorted_runs_with_what_is_no_number() -> None:
    for odd in (np.nan, np.inf):
        runs = [np.array([1, 2], np.float32), np.array([3, odd], np.float32)]
        each = [{s: float(v[0]) for s, v in summarise(run[None]).items()} for run in runs]
        found = summarise_sorted(runs, each)
        assert np.isnan(found["std"]).all()
        np.testing.assert_array_equal(found["q50"], [2.5 if odd == np.inf else np.nan])


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint64, np.bool_]
)
def test_every_dtype(dtype: type) -> None:
    numbers = (np.arange(30).reshape(10, 3) % 7).astype(dtype)
    assert_equal(summarise(np.ascontiguousarray(as_sortable(numbers).T)), expected(numbers))


@pytest.mark.parametrize(("centre", "spread"), [(2048.0, 1.0), (180.0, 0.5), (90.0, 0.1)])
def test_values_far_from_zero_keep_their_deviation(centre: float, spread: float) -> None:
    numbers = (centre + spread * np.sin(np.arange(100_000))).astype(np.float32)
    found = summarise(numbers[None, :].copy())
    np.testing.assert_allclose(found["std"], numbers.astype(np.float64).std(), rtol=1e-9)


def test_a_nan_makes_its_dimension_nan_and_no_other() -> None:
    numbers = np.array([[1.0, 2.0], [np.nan, 3.0], [0.0, 4.0]], dtype=np.float32)
    for found in (summarise(np.ascontiguousarray(numbers.T)), summarise_runs(numbers, [3])):
        for values in found.values():
            assert np.isnan(values.ravel()[0])
            assert np.isfinite(values.ravel()[1])


def test_infinities_stay() -> None:
    found = summarise(np.array([[-np.inf, 0.0, 1.0, np.inf]], dtype=np.float64))
    assert (found["min"][0], found["max"][0], found["q50"][0]) == (-np.inf, np.inf, 0.5)
