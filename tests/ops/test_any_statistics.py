"""Whatever the numbers, stats.json of any output holds numpy's statistics of all its frames."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import typed
from support.effort import examples
from support.independent import read
from support.typed import DEFAULTS, Kind

import lecompose

LEVELS = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64")
# Far from zero the squares of the values say nothing of how far they lie apart.
CENTRES = st.sampled_from([(0.0, 1.0), (2048.0, 1.0), (180.0, 0.5), (-90.0, 0.1), (1e4, 0.0), (7.25, 0.0)])
LENGTHS = ((3, 1, 7, 2), (4, 6))


@st.composite
def draws(draw: st.DrawFn) -> Any:
    """A function that gives numbers of a dtype: about a centre, all the same, or all that the dtype holds."""
    centre, spread = draw(CENTRES)
    everything = draw(st.booleans())

    def numbers(rng: typed.Random, dtype: str, count: int) -> np.ndarray:
        if dtype == "bool":
            return rng.random(count) < draw_share
        if dtype.startswith("float"):
            return (centre + spread * rng.standard_normal(count)).astype(dtype)
        limits = np.iinfo(dtype)
        low, high = (limits.min, limits.max) if everything else (0, 1 if spread == 0 else 100)
        return rng.integers(low, high, count, dtype, endpoint=spread != 0)

    draw_share = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return numbers


@st.composite
def kinds(draw: st.DrawFn) -> dict[str, Kind]:
    """A feature of each of some dtypes, as a scalar, a vector or an array."""
    found = {}
    for dtype in draw(st.lists(st.sampled_from(DTYPES), min_size=5, max_size=5, unique=True)):
        numbers = draw(draws())
        match draw(st.integers(1, 4)):
            case 1:
                found[dtype] = typed.scalar(dtype, numbers)
            case 2:
                found[dtype] = typed.vector(
                    dtype, draw(st.integers(2, 4)), fixed=draw(st.booleans()), draw=numbers
                )
            case dimensions:
                shape = tuple(draw(st.integers(1, 3)) for _ in range(dimensions - 1))
                found[dtype] = typed.array(dtype, shape, extension=True, draw=numbers)
    return found


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("statistics")


@settings(
    max_examples=examples(1, whole=10),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    features=kinds(),
    versions=st.tuples(*[st.sampled_from(["v2.0", "v2.1", "v3.0"])] * 2),
    seed=st.integers(0, 2**32),
)
def test_any_numbers(features: dict[str, Kind], versions: tuple[str, str], seed: int, scratch: Path) -> None:
    shutil.rmtree(scratch)
    scratch.mkdir()
    a, b = (
        typed.write(scratch / name, features, version=version, lengths=lengths, seed=seed + n)
        for n, (name, version, lengths) in enumerate(zip("ab", versions, LENGTHS, strict=True))
    )
    merged, parts = scratch / "merged", scratch / "parts"
    lecompose.merge([a, b], out=merged)
    lecompose.delete(merged, out=scratch / "kept", episodes=[0, 3])
    lecompose.split(merged, out=parts, into={"x": [0, 2, 5], "y": [1, 3, 4]})
    lecompose.stats(merged, out=scratch / "anew")
    for out in (merged, scratch / "kept", parts / "x", parts / "y", scratch / "anew"):
        assert_true(out)
    assert_alike(lecompose.stats(merged), stats_json(merged))


def assert_alike(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> None:
    """Equal, but for the last digits of what is a sum: the numbering's is not added up in an output."""
    assert one.keys() == other.keys()
    for name, stats in one.items():
        assert stats.keys() == other[name].keys()
        for stat, values in stats.items():
            if stat in ("mean", "std"):
                np.testing.assert_allclose(values, other[name][stat], rtol=1e-13)
            else:
                assert values == other[name][stat], (name, stat)


def stats_json(root: Path) -> dict[str, dict[str, Any]]:
    return json.loads((root / "meta/stats.json").read_text())


def assert_true(root: Path) -> None:
    """What stats.json and each episode's row say is numpy's, in float64."""
    made, said = read(root), stats_json(root)
    held = pq.read_table(next((root / "meta/episodes").rglob("*.parquet"))).to_pydict()
    assert said.keys() == made.features.keys() >= {*DEFAULTS}
    for name, spec in made.features.items():
        episodes = [np.array(e.rows[name].to_pylist(), spec["dtype"]) for e in made.episodes]
        assert_equal(said[name], episodes, spec["shape"][-1], name)
        for n, rows in enumerate(episodes):
            own = {stat: held[f"stats/{name}/{stat}"][n] for stat in said[name]}
            assert_equal(own, [rows], spec["shape"][-1], f"{name} of episode {n}")


def assert_equal(found: dict[str, Any], episodes: Sequence[np.ndarray], last: int, name: str) -> None:
    rows = np.concatenate([rows.reshape(-1, last) for rows in episodes]).astype(np.float64)
    truth = {"min": rows.min(0), "max": rows.max(0)}
    truth |= {q: np.quantile(rows, level, axis=0, method="linear") for q, level in LEVELS.items()}
    # An episode's quantiles of `index` are moved along with it.
    moved = 1e-12 if name.startswith("index of") else 0
    for stat, values in truth.items():
        np.testing.assert_allclose(found[stat], values, rtol=moved, atol=0, err_msg=f"{stat} of {name}")
    dust = 1e-14 * np.abs(rows).max()
    for stat, values in (("mean", rows.mean(0)), ("std", rows.std(0))):
        np.testing.assert_allclose(found[stat], values, rtol=1e-9, atol=dust, err_msg=f"{stat} of {name}")
    assert found["count"] == [sum(map(len, episodes))]
