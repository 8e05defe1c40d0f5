"""What the toy robot senses: numbers and pictures, each a function of (seed, episode, frame).

Only +, -, *, / and remainders are used: they give the same bits on every machine, sines do not.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 8, 5  # of the bar code
DARK, LIGHT = 32, 224


class Barcode(NamedTuple):
    """Where a picture comes from; `camera` counts video cameras first, then image features."""

    seed: int
    episode: int
    frame: int
    camera: int


BITS = Barcode(seed=8, episode=12, frame=12, camera=4)


def value(feature: str, episode: int, frame: int, *, seed: int = 0, dim: int = 6) -> NDArray[np.float32]:
    """The vector that the robot records for `feature` at one frame. Shape: (dim,)."""
    return values(feature, episode, 1, seed=seed, dim=dim, start=frame)[0]


def values(
    feature: str, episode: int, length: int, *, seed: int = 0, dim: int = 6, start: int = 0
) -> NDArray[np.float32]:
    """Joints that swing at their own pace, unevenly, from another posture in each episode.

    Uneven and shifting, because a quantile of such episodes together is not the mean of their
    quantiles. Shape: (length, dim).
    """
    frame = np.arange(start, start + length)[:, None]
    joint = np.arange(dim)[None, :]
    phase = zlib.crc32(feature.encode()) % 200 + 37 * episode + 11 * seed + 17 * joint
    swing = np.abs((frame * (3 + 2 * joint) + phase) % 200 - 100) / 100
    posture = episode * (joint % 3) / 16
    return (swing * swing + posture).astype(np.float32)


def picture(mark: Barcode, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A drifting colour gradient under the bar code. Shape: (height, width, 3)."""
    width, height = size
    x = np.arange(width, dtype=np.int64)[None, :]
    y = np.arange(height, dtype=np.int64)[:, None]
    drift = np.abs((x * 256 // width + y * 128 // height + 5 * mark.frame + 40 * mark.episode) % 256 - 128)
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = 40 + drift
    image[..., 1] = 200 - drift
    image[..., 2] = 60 + 30 * (mark.camera % 4) + drift // 2
    cell = _cell(width, height)
    cells = np.where(_bits(mark), LIGHT, DARK).astype(np.uint8).reshape(ROWS, COLUMNS)
    code = cells.repeat(cell, axis=0).repeat(cell, axis=1)
    image[: code.shape[0], : code.shape[1]] = code[..., None]
    return image


def read_barcode(image: NDArray[np.integer]) -> Barcode:
    """What the bar code says, also after lossy video coding.

    Shape: (height, width, 3) or (height, width), 0 to 255.
    Errors: ValueError where no bar code can be read.
    """
    gray = np.asarray(image, np.float64)
    gray = gray.mean(axis=2) if gray.ndim == 3 else gray
    cell = _cell(gray.shape[1], gray.shape[0])
    margin = cell // 4  # the rim of a cell blurs into its neighbours
    cells = gray[: ROWS * cell, : COLUMNS * cell].reshape(ROWS, cell, COLUMNS, cell)
    light = cells[:, margin : cell - margin, :, margin : cell - margin].mean(axis=(1, 3)) > (DARK + LIGHT) / 2
    bits = light.ravel().astype(np.int64)
    for plain in (bits, 1 - bits):  # see `_bits` for the negative
        mark = Barcode(*(_number(part) for part in np.split(plain[:-4], np.cumsum(BITS)[:-1])))
        if np.array_equal(_bits(mark), bits):
            return mark
    raise ValueError("no bar code in this picture")


def png(image: NDArray[np.uint8], *, level: int = 6) -> bytes:
    """`image` as a complete PNG file, compressed at zlib's `level`."""
    height, width, _ = image.shape
    lines = np.zeros((height, 1 + width * 3), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), level)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in parts)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _cell(width: int, height: int) -> int:
    cell = min(width // COLUMNS, height // (ROWS + 1))
    if cell < 4:
        raise ValueError(f"a picture of {width} x {height} is too small for the bar code: 32 x 24 needed")
    return cell


def _bits(mark: Barcode) -> NDArray[np.int64]:
    """The numbers, most significant bit first, then the sum of their nibbles modulo 16.

    Odd frames are the negative of that: fast encoders skip small changes, and counting up by one would
    change two cells. The sum tells the negative from the plain code: the negative of a right sum is wrong.
    """
    fields = zip(mark, BITS, strict=True)
    bits = np.array([number >> bit & 1 for number, width in fields for bit in reversed(range(width))])
    total = bits.reshape(-1, 4) @ (8, 4, 2, 1)
    check = np.array([total.sum() >> bit & 1 for bit in (3, 2, 1, 0)])
    return np.concatenate([bits, check]) ^ (mark.frame & 1)


def _number(bits: NDArray[np.int64]) -> int:
    return int("".join(map(str, bits)), 2)
