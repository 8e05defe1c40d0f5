"""TIFF files of depth in metres: one channel of float32, not compressed. FFmpeg reads none of floats.

Source: TIFF 6.0; LeRobot 0.6.1 stores depth so where frames are of floats.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lecompose.errors import MediaError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _CHANNELS, _SIZES, _KIND = (
    *(256, 257, 258, 259, 273, 277, 279, 339),
)
_NEEDED = {_BITS: (32,), _COMPRESSION: (1,), _CHANNELS: (1,), _KIND: (3,)}
# Of the types of an entry those that the tags above have: bytes, shorts and longs.
_TYPES = {1: "B", 3: "H", 4: "I"}


def decode_floats(data: bytes, *, name: Path) -> NDArray[np.float32]:
    """Return the picture in a TIFF file; `name` is the file that holds it. Shape: (height, width, 1).

    Raises:
        MediaError: if it is any other file.
    """
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[data[:4]]
        tags = {_COMPRESSION: (1,), _CHANNELS: (1,)} | _tags(data, order)
        if any(tags[tag] != needed for tag, needed in _NEEDED.items()):
            raise ValueError("it holds something else")
        strips = zip(tags[_OFFSETS], tags[_SIZES], strict=True)
        joined = b"".join(data[offset : offset + size] for offset, size in strips)
        pixels = np.frombuffer(joined, f"{order}f4").reshape(tags[_HEIGHT][0], tags[_WIDTH][0], 1)
    except (KeyError, ValueError, struct.error) as error:
        raise MediaError(
            "a picture in it is not an uncompressed TIFF of float32, as depth in metres is",
            reason=error,
            path=name,
        ) from error
    return pixels.astype(np.float32)


def _tags(data: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """Return the values of the first directory's entries, by tag."""
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    found = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, at)
        if kind not in _TYPES:
            continue
        held = struct.Struct(f"{order}{values}{_TYPES[kind]}")
        (offset,) = (at + 8,) if held.size <= 4 else struct.unpack_from(f"{order}I", data, at + 8)
        found[tag] = held.unpack_from(data, offset)
    return found
