"""What must agree for two files to share one decoder, and what need not."""

import struct

import pytest

from lecompose.files.mp4.boxes import build_box
from lecompose.files.mp4.sample_description import read_sample_description

AV1C = build_box(b"av1C", bytes.fromhex("81000c000a0a0000000337fbe017c002"))


def signed(*boxes: bytes) -> bytes:
    return read_sample_description(b"av01", memoryview(bytes(78) + b"".join((AV1C, *boxes))), b"").signature


def pixels(wide: int, high: int) -> bytes:
    return build_box(b"pasp", struct.pack(">II", wide, high))


@pytest.mark.parametrize(
    "extra", [pixels(1, 1), pixels(4, 4), build_box(b"btrt", bytes(12)), build_box(b"free", b"anything")]
)
def test_what_says_nothing_about_the_pictures_does_not_count(extra: bytes) -> None:
    assert signed(extra) == signed()


@pytest.mark.parametrize("extra", [pixels(4, 3), build_box(b"colr", b"nclx" + bytes(7))])
def test_what_changes_the_pictures_counts(extra: bytes) -> None:
    assert signed(extra) != signed()
