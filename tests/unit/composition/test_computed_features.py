"""Columns asked for by name, dtype, shape and SQL; their values are tested with `edit features`."""

from pathlib import Path

import pyarrow as pa
import pytest

from lecompose.composition.computed_features import ComputedFeature
from lecompose.composition.feature_spec import FeatureSpec, parse_feature_specs
from lecompose.errors import RequestError
from lecompose.formats import feature


@pytest.mark.parametrize(
    ("spec", "wish"),
    [
        ("reward", ("reward", None, None)),
        ("next.reward:float32", ("next.reward", "float32", None)),
        ("speed:float64[6]", ("speed", "float64", (6,))),
        ("grid:uint8[2,3]", ("grid", "uint8", (2, 3))),
        ("a:b", None),
        ("a:b:int64", ("a:b", "int64", None)),
        (" spaced : no", (" spaced : no".strip(), None, None)),
        ("größe:bool", ("größe", "bool", None)),
    ],
)
def test_names_dtypes_and_shapes(
    spec: str, wish: tuple[str, str | None, tuple[int, ...] | None] | None
) -> None:
    if wish is None:
        with pytest.raises(RequestError, match='dtype "b" is not one that LeRobot knows'):
            parse_feature_specs([(spec, "1")])
    else:
        assert parse_feature_specs([(spec, " 1 ")]) == (FeatureSpec(wish[0], "1", *wish[1:]),)


@pytest.mark.parametrize(
    "spec", ["", " ", "x:float32[]", "x[2]", "x:video", "x:language", "a/b", "x:float32[0]", ".."]
)
def test_what_is_no_column(spec: str) -> None:
    with pytest.raises(RequestError, match="--add"):
        parse_feature_specs([(spec, "1")])


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_values_are_found_by_episode_and_frame(batch: int, tmp_path: Path) -> None:
    """Whatever the batches were in which they were written."""
    schema = pa.schema([("x", pa.int64())])
    with pa.OSFile(str(tmp_path / "x"), "wb") as file, pa.ipc.new_file(file, schema) as written:
        for first in range(0, 12, batch):
            stop = min(12, first + batch)
            written.write_batch(pa.record_batch({"x": pa.array(range(first, stop), pa.int64())}))
    column = ComputedFeature(
        feature("x", {"dtype": "int64", "shape": [1]}), tmp_path / "x", {("a", 4): 2, ("b", 4): 9}
    )

    def of(source: str, frames: range) -> list[int]:
        return [value for chunk in column.of(source, 4, frames) for value in chunk.to_pylist()]

    assert of("a", range(0, 7)) == [2, 3, 4, 5, 6, 7, 8]
    assert of("a", range(2, 4)) == [4, 5]
    assert of("b", range(1, 3)) == [10, 11]
