"""A source's rows as the output has them: renamed, filled, cast."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lecompose.dataset.convert import convert_batch, stored_names
from lecompose.dataset.feature_map import SourceFeature
from lecompose.errors import RequestError, SourceBroken
from lecompose.formats import arrow_field, feature

VECTOR = pa.list_(pa.float32(), 2)


def given(array: pa.Array, kind: pa.DataType, *, lossy: bool = False) -> pa.Array:
    """One column, called "own" in its source and "x" in the output."""
    own = feature("own", {"dtype": "float32", "shape": [1]})
    schema, takes = pa.schema([("x", kind)]), {"x": SourceFeature(own, lossy=lossy)}
    assert stored_names(schema, takes) == {"x": "own"}
    rows = pa.RecordBatch.from_arrays([array], ["own"])
    return convert_batch(rows, schema, {"x": "own"}, takes, where=lambda row: f"row {row}", file="f")["x"]


def test_what_nothing_is_said_of_goes_by_its_own_name() -> None:
    schema = pa.schema([("x", pa.int64()), ("y", VECTOR)])
    assert stored_names(schema, {"y": SourceFeature(None)}) == {"x": "x"}
    rows = pa.RecordBatch.from_pydict({"x": [1, 2]})
    made = convert_batch(rows, schema, {"x": "x"}, {"y": SourceFeature(None)}, where=str, file="f")
    assert made.schema == schema
    assert made.to_pydict() == {"x": [1, 2], "y": [None, None]}


@pytest.mark.parametrize("shape", [[1], [2], [2, 3], [1, 2, 1]])
@pytest.mark.parametrize("dtype", ["float16", "int8", "bool", "uint64"])
def test_a_fill_has_the_output_s_type(dtype: str, shape: list[int]) -> None:
    field = arrow_field(feature("x", {"dtype": dtype, "shape": shape}))
    assert field is not None
    value = np.zeros(shape if shape != [1] else (), dtype).tolist()
    rows = pa.RecordBatch.from_pydict({"other": [1, 2, 3]})
    for filled in (None, value):
        made = convert_batch(
            rows, pa.schema([field]), {}, {"x": SourceFeature(None, filled)}, where=str, file="f"
        )
        assert made["x"].type == field.type
        assert made["x"].to_pylist() == [filled] * 3


@pytest.mark.parametrize(
    ("array", "kind", "wanted"),
    [
        (pa.array([1.0, -2.0, None]), pa.int8(), [1, -2, None]),
        (pa.array([0.1, float("inf"), float("nan")]), pa.float32(), [np.float32(0.1), np.inf, np.nan]),
        (pa.array([[3.0, None], None]), pa.list_(pa.int16()), [[3, None], None]),
        (pa.array([[0.1, 2]]), VECTOR, [[np.float32(0.1), 2]]),
        (pa.array([[[300]], [[-1]]]), pa.list_(pa.list_(pa.int16())), [[[300]], [[-1]]]),
        (pa.array([-128, 127]), pa.int8(), [-128, 127]),
        (pa.array([], pa.float64()), pa.int8(), []),
        (pa.array([2.0**63 - 1024]), pa.int64(), [2**63 - 1024]),
        (pa.array([2**53 + 1]), pa.float64(), [2.0**53]),
        (pa.array([65504.0]), pa.float16(), [65504.0]),
    ],
)
def test_a_cast_may_lose_digits(array: pa.Array, kind: pa.DataType, wanted: list[Any]) -> None:
    made = given(array, kind, lossy=True)
    assert made.type == kind
    for found, value in zip(made.to_pylist(), wanted, strict=True):
        assert found == value or (found != found and value != value)


@pytest.mark.parametrize(
    ("array", "kind", "row"),
    [
        (pa.array([1, 300]), pa.int8(), 1),
        (pa.array([0, 1, -1]), pa.uint8(), 2),
        (pa.array([2**63], pa.uint64()), pa.int64(), 0),
        (pa.array([None, 2.0**63]), pa.int64(), 1),
        (pa.array([float("nan")]), pa.int64(), 0),
        (pa.array([1.0, None, -1.5, 2.5]), pa.int8(), 2),
        (pa.array([[1.0], [2.0, 0.5]]), pa.list_(pa.int16()), 1),
        (pa.array([1.0, float("-inf")]), pa.int64(), 1),
        (pa.array([1e39]), pa.float32(), 0),
        (pa.array([65520.0]), pa.float16(), 0),
        (pa.array([[1.0], None, [2.0, 1e9]]), pa.list_(pa.int16()), 2),
        (pa.array([[[1]], [[1], [-300]]]), pa.list_(pa.list_(pa.int8())), 1),
    ],
)
def test_a_cast_never_makes_another_number(array: pa.Array, kind: pa.DataType, row: int) -> None:
    with pytest.raises(RequestError, match=rf"^--cast x=\w+: a value in row {row} does not fit"):
        given(array, kind, lossy=True)


def test_a_row_that_is_not_as_declared() -> None:
    with pytest.raises(SourceBroken, match=r'^feature "x" is not as declared: .*vectors of 2.*\(f\)$'):
        given(pa.array([[1.0, 2.0], [1.0]]), VECTOR)
    with pytest.raises(SourceBroken, match="other lengths than 1"):
        given(pa.array([[1.0, 2.0], [1.0]]), pa.float32())
    assert given(pa.array([[1.0], None]), pa.float32()).to_pylist() == [1.0, None]
