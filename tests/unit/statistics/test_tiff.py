"""Depth in metres is read from TIFF files that FFmpeg cannot read."""

import struct
from pathlib import Path

import numpy as np
import pytest
from support.typed import tiff

from lecompose.errors import MediaError
from lecompose.statistics.tiff import decode_floats

PICTURE = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
HELD = Path("data/file-000.parquet")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("rows_a_strip", [1, 3, 4])
def test_every_pixel(order: str, rows_a_strip: int) -> None:
    read = decode_floats(tiff(PICTURE, order=order, rows_a_strip=rows_a_strip), name=HELD)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[..., 0], PICTURE)


WHOLE = tiff(PICTURE)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n", WHOLE[:40], WHOLE[:-20], tiff(PICTURE, compression=8), tiff(PICTURE, kind=1),
     WHOLE[:4] + struct.pack("<I", 2**32 - 1) + WHOLE[8:]],
    ids=["empty", "png", "no tags", "cut", "packed", "of integers", "astray"],
)  # fmt: skip
def test_other_files_are_told(data: bytes) -> None:
    with pytest.raises(MediaError, match=r"not an uncompressed TIFF of float32.*\(data/file-000\.parquet\)$"):
        decode_floats(data, name=HELD)
