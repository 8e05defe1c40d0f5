"""What each source gives for a feature of the output, decided from what the sources declare."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.dataset.catalog import Source
from lecompose.dataset.feature_map import Changes, SourceFeature, holds, map_features
from lecompose.errors import RequestError
from lecompose.formats import DEFAULT_FEATURES, feature

DTYPES = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
DEFAULTS = list(DEFAULT_FEATURES)


def source(name: str, **features: Any) -> Source:
    """A source that declares these, a dtype or (dtype, shape) each, before the default features."""
    specs = {key: said if isinstance(said, tuple) else (said, [1]) for key, said in features.items()}
    declared = {key: {"dtype": dtype, "shape": shape} for key, (dtype, shape) in specs.items()}
    every = (declared | DEFAULT_FEATURES).items()
    return Source(
        name, 0, name, Path(name), "v3.0", {"fps": 30}, tuple(feature(key, spec) for key, spec in every)
    )


def own_names(takes: dict[str, SourceFeature]) -> dict[str, str | None]:
    return {n: how.feature.name if how.feature else None for n, how in takes.items() if n not in DEFAULTS}


@given(st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_a_dtype_holds_another_exactly_when_its_extremes_survive(wide: str, dtype: str) -> None:
    limits: Any = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    extremes = [limits.min, limits.max]
    # The odd numbers beside the limits: a float has too few digits for them.
    extremes += [limits.max - 1] if np.dtype(dtype).kind in "iu" else [limits.smallest_subnormal, 0.5]
    with np.errstate(all="ignore"):
        survive = all(_same(np.array(x, dtype), wide) for x in extremes)
    assert holds(wide, dtype) == survive


def _same(number: np.ndarray, wide: str) -> bool:
    """Whether a number is the same one in another dtype, compared as Python compares: without rounding."""
    exact, cast = number.item(), number.astype(wide).item()
    return bool(exact == cast) and not (np.dtype(wide).kind in "iu" and isinstance(exact, float))


@pytest.mark.parametrize("dtype", ["bool", "string", "image", "video", "language"])
def test_nothing_else_is_held_by_another(dtype: str) -> None:
    assert holds(dtype, dtype)
    assert not any(holds(wide, dtype) or holds(dtype, wide) for wide in DTYPES)


def test_names_of_all_sources_stand_before_the_default_features() -> None:
    sources = (source("a", x="int8", y="int8"), source("b", z="int8", x="int8"))
    mapped = map_features(sources, Changes(features="union"))
    assert list(mapped.dtypes) == ["x", "y", "z", *DEFAULTS]
    assert own_names(dict(mapped.feature_map["a"])) == {"x": "x", "y": "y", "z": None}
    assert own_names(dict(mapped.feature_map["b"])) == {"x": "x", "y": None, "z": "z"}
    assert (mapped.problems, mapped.changed) == ((), True)


def test_names_that_are_swapped() -> None:
    sources = (source("a", x="int8", y="int8"), source("b", x="int8", y="int8"))
    mapped = map_features(sources, Changes(rename=(("b:x", "y"), ("b:y", "x"))))
    assert own_names(dict(mapped.feature_map["a"])) == {"x": "x", "y": "y"}
    assert own_names(dict(mapped.feature_map["b"])) == {"y": "x", "x": "y"}


def test_a_source_whose_name_holds_a_colon() -> None:
    sources = (source("a:b", x="int8"), source("a", x="int8"))
    mapped = map_features(sources, Changes(rename=(("a:b:x", "y"), ("a:x", "y"))))
    assert (
        own_names(dict(mapped.feature_map["a:b"])) == own_names(dict(mapped.feature_map["a"])) == {"y": "x"}
    )


@pytest.mark.parametrize(
    ("dtype", "shape", "zero"),
    [
        ("float32", [1], 0.0),
        ("bool", [], False),
        ("int8", [2], [0, 0]),
        ("float64", [2, 1, 3], [[[0.0] * 3]] * 2),
        ("string", [1], ""),
    ],
)
def test_zeros(dtype: str, shape: list[int], zero: Any) -> None:
    sources = (source("a", x=(dtype, shape)), source("b"))
    filled = map_features(sources, Changes(features="union", fill="zero")).feature_map["b"]["x"]
    assert filled == SourceFeature(None, zero)
    assert type(filled.value) is type(zero)
    assert map_features(sources, Changes(features="union")).feature_map["b"]["x"] == SourceFeature(None, None)


def test_only_a_cast_is_lossy() -> None:
    sources = (source("a", x="float32"), source("b", x="float64"))
    wide = map_features(sources, Changes())
    assert [takes["x"].lossy for takes in wide.feature_map.values()] == [False, False]
    narrow = map_features(sources, Changes(cast=(("x", "float32"),)))
    assert [takes["x"].lossy for takes in narrow.feature_map.values()] == [False, True]


def test_default_features_do_not_widen() -> None:
    odd = source("b")
    time = feature("timestamp", {"dtype": "float64", "shape": [1]})
    odd = Source(**{**vars(odd), "features": (time, *odd.features[1:])})
    (problem,) = map_features((source("a"), odd), Changes()).problems
    assert problem == 'feature "timestamp": dtype "float32" in "a"; "float64" in "b"'


def test_what_readers_know_by_its_name_keeps_it() -> None:
    sources = (source("a", subtask_index="int64", x="int64", language_events="language"),)
    for old, new in (("subtask_index", "y"), ("x", "subtask_index"), ("language_events", "y")):
        with pytest.raises(RequestError, match="by its name alone"):
            map_features(sources, Changes(rename=((old, new),)))
    with_and_without = (*sources, source("b", x="int64"))
    (problem,) = map_features(with_and_without, Changes(features="union", fill="zero")).problems
    assert 'feature "subtask_index": not in "b", and zero would have a meaning' in problem
