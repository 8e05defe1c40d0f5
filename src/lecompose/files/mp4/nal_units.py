"""Parse NAL units of H.264 and HEVC: parameter sets, and how a keyframe opens its group of pictures.

Only heads are read, nothing is decoded.
Source: ITU-T H.264 §7.3, ITU-T H.265 §7.3; ISO/IEC 14496-15 for their place in mp4 samples.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from lecompose.files.mp4.boxes import BoxError
from lecompose.files.mp4.read_sample_tables import Ints

Byte = TypeVar("Byte", int, np.ndarray)
SetKey = tuple[int, int]
"""A parameter set's NAL unit type and its own id: what a later set of the same key replaces."""

_AVC_SEI = 6
_RECOVERY_POINT = 6

_HEAD_BYTES = 256
_FAR_HEAD_BYTES = 1 << 16
# A call costs as much as so many bytes read along; and so many are read at a time.
_CLOSE_BYTES = 1 << 17
_WINDOW_BYTES = 1 << 20


@dataclass(frozen=True)
class Syntax:
    """What differs between the two codecs for our purpose."""

    header_bytes: int
    sets: frozenset[int]
    first_slice: int
    last_slice: int
    closed: frozenset[int]
    entries: frozenset[int]
    """Slices of pictures that need no other: decoding may begin with them."""

    def kind(self, byte: Byte) -> Byte:
        """Return the NAL unit type in a unit's first byte, or in those of many."""
        return byte & 0x1F if self.header_bytes == 1 else byte >> 1 & 0x3F


SYNTAX: Mapping[str, Syntax] = {
    "h264": Syntax(1, frozenset((7, 8)), 1, 5, frozenset((5,)), frozenset((5,))),
    "hevc": Syntax(2, frozenset((32, 33, 34)), 0, 31, frozenset((19, 20)), frozenset(range(16, 24))),
}


@dataclass(frozen=True)
class SampleHead:
    """The start of one sample: the parameter sets it brings, and whether its first slice is an IDR.

    `entry`: a decoder that starts here shows this picture, and those shown later, as they should be.
    """

    sets: tuple[bytes, ...]
    closed: bool
    entry: bool


def read_first_kinds(fd: int, offsets: Ints, sizes: Ints, length_bytes: int, syntax: Syntax) -> Ints:
    """Return the type of the first NAL unit of each sample; -1 if its first bytes do not tell.

    Shape: (samples,) each. Raises OSError if the file cannot be read.
    """
    begins = read_begins(fd, offsets, length_bytes + 1)
    kinds = syntax.kind(begins[:, length_bytes]).astype(np.int64)
    kinds[(sizes <= length_bytes) | ~begins[:, :length_bytes].any(axis=1)] = -1
    return kinds


def read_begins(fd: int, offsets: Ints, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the first bytes of samples, zeros behind the end of the file. Shape: (samples, count).

    Bytes between samples that stand close together are read along: that costs less than another call.
    """
    begins = np.zeros((len(offsets), count), np.uint8)
    # Fresh memory would cost as much as reading does.
    window = np.empty(_WINDOW_BYTES + count, np.uint8)
    order = np.argsort(offsets, kind="stable")
    ordered = offsets[order]
    at = 0
    while at < len(ordered):
        start = int(ordered[at])
        behind = int(np.searchsorted(ordered, start + _WINDOW_BYTES))
        far = np.flatnonzero(np.diff(ordered[at:behind]) > _CLOSE_BYTES)
        behind = at + 1 + int(far[0]) if len(far) else behind
        wanted = window[: int(ordered[behind - 1]) + count - start]
        wanted[os.preadv(fd, [wanted.data], start) :] = 0
        begins[order[at:behind]] = wanted[(ordered[at:behind] - start)[:, None] + np.arange(count)]
        at = behind
    return begins


def read_head(fd: int, offset: int, size: int, length_bytes: int, syntax: Syntax) -> SampleHead:
    """Return what stands before the first slice of the sample at `offset`. Raises OSError."""
    for limit in (_HEAD_BYTES, _FAR_HEAD_BYTES, size):
        data = os.pread(fd, min(limit, size), offset)
        found = _parse(data, length_bytes, syntax, whole=limit >= size)
        if found is not None:
            return found
    return SampleHead((), closed=False, entry=False)


def _parse(data: bytes, length_bytes: int, syntax: Syntax, *, whole: bool) -> SampleHead | None:
    """Return the head, or None if `data` ends before the first slice and more can be read."""
    sets: list[bytes] = []
    recovers = False
    for kind, start, end in _walk_units(data, length_bytes, syntax):
        if syntax.first_slice <= kind <= syntax.last_slice:
            return SampleHead(tuple(sets), kind in syntax.closed, kind in syntax.entries or recovers)
        if end > len(data):
            break
        if kind in syntax.sets:
            sets.append(data[start:end])
        elif kind == _AVC_SEI and syntax.header_bytes == 1:
            recovers = recovers or _recovers_at_once(data[start:end])
    return SampleHead(tuple(sets), closed=False, entry=False) if whole else None


def _recovers_at_once(unit: bytes) -> bool:
    """Return whether an H.264 SEI unit says that decoding can begin here with the very first picture.

    With gradual intra refresh, writers mark keyframes from which the picture becomes right only later.
    Source: ITU-T H.264 §7.3.2.3.1, §D.1.8 (recovery_frame_cnt).
    """
    data, at = unit.replace(b"\0\0\3", b"\0\0"), 1
    # A last byte of 0x80 is the padding behind the last message.
    while at + 2 < len(data):
        kind, at = _parse_sum(data, at)
        size, at = _parse_sum(data, at)
        if kind == _RECOVERY_POINT:
            return data[at : at + 1] >= b"\x80"  # recovery_frame_cnt 0 is a single bit 1
        at += size
    return False


def _parse_sum(data: bytes, at: int) -> tuple[int, int]:
    """Return a number written as bytes of 255 and a last smaller one, and the place behind it."""
    total = 0
    while data[at : at + 1] == b"\xff":
        total, at = total + 255, at + 1
    return total + int.from_bytes(data[at : at + 1], "big"), at + 1


def _walk_units(data: bytes, length_bytes: int, syntax: Syntax) -> Iterator[tuple[int, int, int]]:
    at = 0
    while at + length_bytes < len(data):
        start = at + length_bytes
        at = start + int.from_bytes(data[at:start], "big")
        if at > start:
            yield syntax.kind(data[start]), start, at


def parse_set_key(unit: bytes, syntax: Syntax) -> SetKey:
    """Return type and id of one parameter set. Raises BoxError if it ends before its id."""
    kind = syntax.kind(unit[0]) if unit else -1
    # Emulation prevention bytes may stand before the id of an SPS, so they go first.
    bits = "".join(f"{byte:08b}" for byte in unit[:64].replace(b"\0\0\3", b"\0\0"))
    try:
        if kind == 32:
            return kind, int(bits[16:20], 2)
        return kind, _parse_exp_golomb(bits, _find_id(kind, bits, syntax))
    except ValueError as error:
        raise BoxError(f"parameter set of type {kind} is cut") from error


def _find_id(kind: int, bits: str, syntax: Syntax) -> int:
    """Return the bit at which the set's id starts."""
    if kind == 7:
        return 32
    if kind != 33:
        return 8 * syntax.header_bytes
    layers = int(bits[20:23], 2)
    if layers == 0:
        return 120
    present = [(int(bits[120 + 2 * i]), int(bits[121 + 2 * i])) for i in range(layers)]
    return 136 + sum(88 * profile + 8 * level for profile, level in present)


def _parse_exp_golomb(bits: str, at: int) -> int:
    zeros = bits.index("1", at) - at
    return int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1


def hash_parameter_set(unit: bytes) -> bytes:
    """Return a short hash of a parameter set's content."""
    return hashlib.blake2b(unit, digest_size=16).digest()


def parse_configuration(config: bytes, codec: str) -> tuple[int, tuple[bytes, ...]]:
    """Return length-field bytes and parameter sets of an `avcC` or `hvcC` body. Raises BoxError if cut."""
    try:
        if codec == "h264":
            return (config[4] & 3) + 1, tuple(_walk_avc_sets(config))
        return (config[21] & 3) + 1, tuple(unit for _, units in parse_hevc_arrays(config) for unit in units)
    except (IndexError, struct.error) as error:
        raise BoxError(f"{codec} configuration is cut") from error


def _walk_avc_sets(config: bytes) -> Iterator[bytes]:
    at = 6
    for _ in range(config[5] & 0x1F):
        unit, at = _parse_counted(config, at)
        yield unit
    pictures, at = config[at], at + 1
    for _ in range(pictures):
        unit, at = _parse_counted(config, at)
        yield unit


def parse_hevc_arrays(config: bytes) -> list[tuple[int, list[bytes]]]:
    """Return each array of an `hvcC`: its first byte (completeness flag and NAL type) and its units."""
    arrays, at = [], 23
    for _ in range(config[22]):
        kind, count = struct.unpack_from(">BH", config, at)
        at += 3
        units = []
        for _ in range(count):
            unit, at = _parse_counted(config, at)
            units.append(unit)
        arrays.append((kind, units))
    return arrays


def _parse_counted(config: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(">H", config, at)
    at += 2
    if at + length > len(config):
        raise struct.error("unit passes the end")
    return config[at : at + length], at + length
