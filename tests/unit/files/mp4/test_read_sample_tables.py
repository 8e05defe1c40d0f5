"""What the tables of a track may not say."""

import struct

import pytest

from lecompose.files.mp4.boxes import BoxError
from lecompose.files.mp4.read_sample_tables import _read_keyframe_numbers


def stss(*numbers: int) -> memoryview:
    body = struct.pack(f">II{len(numbers)}I", 0, len(numbers), *numbers)
    return memoryview(struct.pack(">I4s", 8 + len(body), b"stss") + body)


def test_keyframes_are_counted_from_zero() -> None:
    found = _read_keyframe_numbers(stss(1, 3, 8), 8)
    assert found is not None
    assert found.tolist() == [0, 2, 7]


@pytest.mark.parametrize("numbers", [(0, 2), (1, 1), (3, 2), (1, 9)])
def test_keyframes_twice_out_of_order_or_behind_the_end(numbers: tuple[int, ...]) -> None:
    with pytest.raises(BoxError, match="does not list samples in order"):
        _read_keyframe_numbers(stss(*numbers), 8)
