"""Lists held against the shape of their feature."""

from typing import Any

import pyarrow as pa
import pytest

from lecompose.dataset.list_lengths import find_odd_rows, measure_shape, refuse_odd_rows, tells_shape

FLOAT = pa.float32()
LISTS, NESTED = pa.list_(FLOAT), pa.list_(pa.list_(FLOAT))
FIXED = pa.list_(pa.list_(FLOAT, 2), 3)
THREE_BY_TWO = [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("rows", "kind", "shape", "odd"),
    [
        ([[1, 2], [1, 2, 3, 4], None, []], LISTS, (3,), [0, 1, 3]),
        ([[1, 2, 3], None], LISTS, (3,), []),
        ([THREE_BY_TWO, None], NESTED, (2, 3), [0]),
        ([THREE_BY_TWO], NESTED, (3, 2), []),
        ([THREE_BY_TWO, [[1, 2], [3], [4, 5, 6]], [[1, 2, 3], None, [1, 2, 3]]], NESTED, (3, 2), [1, 2]),
        ([THREE_BY_TWO, THREE_BY_TWO], FIXED, (2, 3), [0, 1]),
        ([THREE_BY_TWO, THREE_BY_TWO], FIXED, (3, 2), []),
        ([THREE_BY_TWO], pa.large_list(pa.list_(FLOAT)), (2, 3), [0]),
    ],
)
def test_rows_of_another_shape(
    rows: list[Any], kind: pa.DataType, shape: tuple[int, ...], odd: list[int]
) -> None:
    array = pa.array(rows, kind)
    assert find_odd_rows(array, shape).nonzero()[0].tolist() == odd
    behind = find_odd_rows(array.slice(1), shape).nonzero()[0].tolist()
    assert behind == [n - 1 for n in odd if n]


def test_the_first_row_is_named() -> None:
    with pytest.raises(pa.ArrowInvalid, match=r"arrays of 2 × 3 .* first in row 1"):
        refuse_odd_rows(pa.array([[[1, 2, 3]] * 2, THREE_BY_TWO], NESTED), (2, 3), where=lambda n: f"row {n}")


@pytest.mark.parametrize("kind", [NESTED, FIXED])
def test_the_shape_of_all(kind: pa.DataType) -> None:
    assert measure_shape(pa.array([THREE_BY_TWO] * 2, kind), 2) == (3, 2)
    assert measure_shape(pa.array([THREE_BY_TWO, None], kind), 2) is None
    assert measure_shape(pa.array([[1], [1, 2]], LISTS), 1) is None
    assert tells_shape(kind, (3, 2)) == (kind == FIXED)
    assert not tells_shape(kind, (2, 3))
