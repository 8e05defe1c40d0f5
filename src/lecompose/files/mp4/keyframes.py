"""The keyframes of a track: which of them a decoder, or another file, can start from.

A parameter set that stands in a sample replaces the described one from there on, in decode order. So
each keyframe has *effective* sets, and may be played out of its place only if it brings them along or
if they are those of the sample description.
Source: ITU-T H.264 §7.4.1.2, ITU-T H.265 §7.4.2.4.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lecompose.files.mp4.nal_units import (
    SYNTAX,
    SampleHead,
    SetKey,
    Syntax,
    hash_parameter_set,
    parse_set_key,
    read_first_kinds,
    read_head,
)
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.sample_description import SampleDescription

Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
_Sets: TypeAlias = dict[SetKey, bytes]

# Every sync sample of these is a full restart by their specifications.
_ALWAYS_CLOSED = frozenset(("av1", "vp8", "vp9", "mjpeg", "png", "prores", "ffv1"))


@dataclass(frozen=True)
class Keyframes:
    """The keyframes in decode order. Shape: (keyframes,) each.

    `closed`: nothing after it refers to what stood before. `described`: its effective parameter sets
    are those of the sample description. `in_band`: it brings all of them along. `entry`: its picture
    needs no other one, which the keyframe mark alone does not prove.
    """

    samples: Ints
    closed: Flags
    described: Flags
    in_band: Flags
    entry: Flags
    known: bool
    """False for codecs whose samples may hide state that is not understood here."""

    def usable(self) -> Flags:
        """Return which keyframes a new decoder can start from, given the sample description."""
        return (self.described | self.in_band) & self.entry


def list_keyframes(keys: Ints, codec: str, *, reordered: bool) -> Keyframes:
    """Return the keyframes of a codec that keeps no parameter sets in its samples."""
    closed = codec in _ALWAYS_CLOSED or (codec == "mpeg4" and not reordered)
    known = codec in _ALWAYS_CLOSED or codec == "mpeg4"
    yes = np.ones(len(keys), np.bool_)
    return Keyframes(keys, yes & closed, yes, ~yes, yes, known)


def read_keyframes(
    path: Path, keys: Ints, offsets: Ints, sizes: Ints, numbers: Ints, entries: Sequence[SampleDescription]
) -> Keyframes:
    """Return the keyframes of an H.264 or HEVC track; the head of each is read.

    Shape: one offset, size and sample description number per keyframe.

    Raises:
        OSError: if the file cannot be read.
    """
    flags = _KeyframeFlags(*(np.zeros(len(keys), np.bool_) for _ in range(4)))
    fd = os.open(path, os.O_RDONLY)
    try:
        bounds = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1)).tolist()
        for first, end in pairwise(bounds):
            of_entry, entry = slice(first, end), entries[numbers[first]]
            _find_flags(fd, offsets[of_entry], sizes[of_entry], entry, flags.part(of_entry))
    finally:
        os.close(fd)
    return Keyframes(keys, flags.closed, flags.described, flags.in_band, flags.entry, known=True)


@dataclass(frozen=True)
class _KeyframeFlags:
    """What is being found out about keyframes. Shape: (keyframes,) each."""

    closed: Flags
    described: Flags
    in_band: Flags
    entry: Flags

    def part(self, which: slice) -> "_KeyframeFlags":
        """Return views of the same arrays, for some keyframes that follow each other."""
        return _KeyframeFlags(*(flags[which] for flags in vars(self).values()))


def _find_flags(fd: int, offsets: Ints, sizes: Ints, entry: SampleDescription, flags: _KeyframeFlags) -> None:
    """Fill in the flags of keyframes that follow each other and use one sample description."""
    syntax, state = SYNTAX[entry.codec], dict(entry.sets)
    known: dict[bytes, tuple[SetKey, bytes]] = {}
    kinds = read_first_kinds(fd, offsets, sizes, entry.length_bytes, syntax)
    flags.closed[:], flags.entry[:] = np.isin(kinds, [*syntax.closed]), np.isin(kinds, [*syntax.entries])
    is_slice = (kinds >= syntax.first_slice) & (kinds <= syntax.last_slice)  # as nearly all of them
    described = [True]
    for n in np.flatnonzero(~is_slice).tolist():
        found = read_head(fd, int(offsets[n]), int(sizes[n]), entry.length_bytes, syntax)
        brought = _read_sets(found, syntax, known)
        state.update(brought)
        flags.closed[n], flags.entry[n] = found.closed, found.entry
        flags.in_band[n] = _is_complete(brought, state, syntax)
        described.append(state == entry.sets)
    # What one says holds up to the next that says something.
    flags.described[:] = np.array(described)[np.cumsum(~is_slice)]


def _read_sets(found: SampleHead, syntax: Syntax, known: dict[bytes, tuple[SetKey, bytes]]) -> _Sets:
    for unit in found.sets:
        if unit not in known:
            known[unit] = parse_set_key(unit, syntax), hash_parameter_set(unit)
    return dict(known[unit] for unit in found.sets)


def _is_complete(brought: _Sets, state: _Sets, syntax: Syntax) -> bool:
    """Return whether the sets in one sample replace all older ones."""
    return bool(brought) and brought.keys() == state.keys() and {kind for kind, _ in brought} == syntax.sets
