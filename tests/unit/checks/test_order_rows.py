"""Which frame each row of an episode is, told by frame_index, timestamps and the listed length."""

import numpy as np
import pytest

from lecompose.checks.repair.order_rows import find_order


@pytest.mark.parametrize(
    ("frames", "times", "length", "found"),
    [
        ([0, 1, 2], [0, 1, 2], 3, [0, 1, 2]),
        ([0, 2, 1], [0, 2, 1], 3, [0, 2, 1]),
        ([2, 1, 0], None, 3, [2, 1, 0]),
        ([1, 2, 3], [0, 1, 2], 3, [0, 1, 2]),
        ([3, 2, 1], [3, 2, 1], 3, [2, 1, 0]),
        ([1, 2, 3], [1, 2, 3], 4, [1, 2, 3]),
        ([0, 1, 3], [0, 1, 2], 3, [0, 1, 3]),
        ([0, 0, 0], [0, 1, 2], 3, [0, 1, 2]),
        ([0, 0, 0], [0, 2, 1], 3, [0, 0, 0]),
        ([0, 0, 0], None, 3, [0, 0, 0]),
        ([0, 2, 1], [0, 1, 2], 3, None),
        ([0, 1, 2], [0, 2, 1], 3, None),
    ],
    ids=[
        *("in order", "exchanged", "reversed", "from one", "reversed, from one", "the first is missing"),
        *("a gap", "all zero", "all zero, times too", "all zero, no times"),
        *("frames against times", "times against frames"),
    ],
)
def test_frames(frames: list[int], times: list[float] | None, length: int, found: list[int] | None) -> None:
    told = find_order(np.array(frames), None if times is None else np.array(times, float), length)
    assert (None if told is None else told[0].tolist()) == found
