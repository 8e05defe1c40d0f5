"""The header of a picture file says its size; what is no such file says nothing."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from support.typed import tiff

from lecompose.files.picture_header import PictureHeader, read_picture_header


def encoded(codec: str, pix_fmt: str) -> bytes:
    """A picture of 20 × 12 pixels."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 20, 12, pix_fmt
    encoder.time_base = Fraction(1, 30)
    return b"".join(
        bytes(packet) for packet in [*encoder.encode(av.VideoFrame(20, 12, pix_fmt)), *encoder.encode(None)]
    )


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "channels", "bits"),
    [
        ("png", "rgb24", 3, 8),
        ("png", "rgba", 4, 8),
        ("png", "gray", 1, 8),
        ("png", "gray16be", 1, 16),
        ("mjpeg", "yuvj420p", 3, 8),
        ("tiff", "rgb24", 3, 8),
        ("tiff", "gray16le", 1, 16),
    ],
)
def test_size_and_channels(codec: str, pix_fmt: str, channels: int, bits: int) -> None:
    assert read_picture_header(encoded(codec, pix_fmt)) == PictureHeader(12, 20, channels, bits)


def test_depth_of_floats() -> None:
    picture = np.ones((12, 20), np.float32)
    for order in "<>":
        assert read_picture_header(tiff(picture, order=order)) == PictureHeader(12, 20, 1, 32)


@pytest.mark.parametrize(
    "start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"RIFF", b""]
)
def test_what_is_no_picture(start: bytes) -> None:
    for rest in (b"", bytes(100), b"\xff" * 100, struct.pack("<I", 8) * 20):
        assert read_picture_header(start + rest) is None
