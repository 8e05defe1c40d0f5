"""The key frames of a track: which of them a decoder, or another file, can start from.

A parameter set that stands in a sample replaces the described one from there on, in decode order. So
each key frame has *effective* sets, and may be played out of its place only if it brings them along or
if they are those of the sample description.
Source: ITU-T H.264 §7.4.1.2, ITU-T H.265 §7.4.2.4.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lecompose.media.nal import HEAD_BYTES, SYNTAX, Head, SetKey, Syntax, digest, first_kind, head, set_key
from lecompose.media.signature import Entry
from lecompose.media.tables import Ints

Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
_Sets: TypeAlias = dict[SetKey, bytes]

# Every sync sample of these is a full restart by their specifications.
_ALWAYS_CLOSED = frozenset(("av1", "vp8", "vp9", "mjpeg", "png", "prores", "ffv1"))


@dataclass(frozen=True)
class Starts:
    """The key frames in decode order. Shape: (key frames,) each.

    `closed`: nothing after it refers to what stood before. `described`: its effective parameter sets
    are those of the sample description. `in_band`: it brings all of them along. `entry`: its picture
    needs no other one, which being marked as a key frame does not prove.
    """

    samples: Ints
    closed: Flags
    described: Flags
    in_band: Flags
    entry: Flags
    known: bool
    """False for codecs whose samples may hide state that is not understood here."""

    def usable(self) -> Flags:
        """Key frames that a decoder fresh from the sample description can start from."""
        return (self.described | self.in_band) & self.entry


def starts_at_once(keys: Ints, codec: str, *, reordered: bool) -> Starts:
    """The key frames of a codec that keeps no parameter sets in its samples."""
    closed = codec in _ALWAYS_CLOSED or (codec == "mpeg4" and not reordered)
    known = codec in _ALWAYS_CLOSED or codec == "mpeg4"
    yes = np.ones(len(keys), np.bool_)
    return Starts(keys, yes & closed, yes, ~yes, yes, known)


def starts_by_heads(
    path: Path, keys: Ints, places: Sequence[tuple[int, int]], entries: Sequence[Entry]
) -> Starts:
    """The key frames of an H.264 or HEVC track, by reading the head of each.

    Shape: `places` (offset, size) and `entries` one per key frame. Errors: OSError as reading does.
    """
    flags: list[tuple[bool, bool, bool, bool]] = []
    known: dict[bytes, tuple[SetKey, bytes]] = {}
    state: _Sets = {}
    last: Entry | None = None
    fd = os.open(path, os.O_RDONLY)
    try:
        for (offset, size), entry in zip(places, entries, strict=True):
            if entry is not last:
                state, last, syntax = dict(entry.sets), entry, SYNTAX[entry.codec]
                described = state == entry.sets
            data = os.pread(fd, min(HEAD_BYTES, size), offset)
            kind = first_kind(data, entry.length_bytes, syntax)
            if syntax.first_slice <= kind <= syntax.last_slice:  # as nearly all of them
                flags.append((kind in syntax.closed, described, False, kind in syntax.entries))
                continue
            found = head(fd, data, offset, size, entry.length_bytes, syntax)
            brought = _brought(found, syntax, known)
            state.update(brought)
            described = state == entry.sets
            flags.append((found.closed, described, _complete(brought, state, syntax), found.entry))
    finally:
        os.close(fd)
    found_closed, found_described, in_band, entry_points = np.array(flags, np.bool_).reshape(-1, 4).T
    return Starts(keys, found_closed, found_described, in_band, entry_points, known=True)


def _brought(found: Head, syntax: Syntax, known: dict[bytes, tuple[SetKey, bytes]]) -> _Sets:
    for unit in found.sets:
        if unit not in known:
            known[unit] = set_key(unit, syntax), digest(unit)
    return dict(known[unit] for unit in found.sets)


def _complete(brought: _Sets, state: _Sets, syntax: Syntax) -> bool:
    """Whether the sets in one sample leave nothing to older ones."""
    return bool(brought) and brought.keys() == state.keys() and {kind for kind, _ in brought} == syntax.sets
