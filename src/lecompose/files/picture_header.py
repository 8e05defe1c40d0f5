"""What the header of a picture file says: its size and its channels. Nothing is decoded.

Source: PNG (ISO 15948), JPEG (ITU T.81), TIFF 6.0.
"""

import struct
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
# Channels by PNG's colour type; one with a palette is of colours.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_CHANNELS = 256, 257, 258, 277
_TIFF_SHORT = 3
# The start of a frame, whatever its coding; the others among these are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_ENTRIES = 4096


@dataclass(frozen=True)
class PictureHeader:
    """The size of a picture in pixels, how many channels it has, and the bits of each."""

    height: int
    width: int
    channels: int
    bits: int


def read_picture_header(data: bytes) -> PictureHeader | None:
    """Return what a PNG, JPEG or TIFF file says of its picture; None for other or damaged files."""
    found: PictureHeader | None = None
    try:
        if data.startswith(_PNG):
            found = _read_png(data)
        elif data.startswith(b"\xff\xd8"):
            found = _read_jpeg(data)
        elif data[:4] in _TIFF_ORDERS:
            found = _read_tiff(data, _TIFF_ORDERS[data[:4]])
    except (struct.error, KeyError, IndexError):
        return None
    return found if found and min(found.height, found.width, found.channels) > 0 else None


def _read_png(data: bytes) -> PictureHeader | None:
    if data[12:16] != b"IHDR":
        return None
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    return PictureHeader(height, width, _PNG_CHANNELS[colour], bits)


def _read_jpeg(data: bytes) -> PictureHeader | None:
    at = 2
    while at < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        (size,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
            return PictureHeader(height, width, channels, bits)
        at += 2 + size
    return None


def _read_tiff(data: bytes, order: str) -> PictureHeader | None:
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    if count > _MOST_ENTRIES:
        return None
    tags = {_TIFF_CHANNELS: 1, _TIFF_BITS: 1}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_CHANNELS):
            fits = values * (2 if kind == _TIFF_SHORT else 4) <= 4
            (where,) = (at + 8,) if fits else struct.unpack_from(f"{order}I", data, at + 8)
            code = "H" if kind == _TIFF_SHORT else "I"
            (tags[tag],) = struct.unpack_from(f"{order}{code}", data, where)
    return PictureHeader(tags[_TIFF_HEIGHT], tags[_TIFF_WIDTH], tags[_TIFF_CHANNELS], tags[_TIFF_BITS])
