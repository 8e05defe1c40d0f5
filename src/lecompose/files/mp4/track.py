"""The video track of an mp4: its samples, keyframes and display order, read from `moov` alone.

Source: ISO/IEC 14496-12 §8.3 (trak, tkhd), §8.4 (mdia), §8.6.6 (edit list).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lecompose.files.mp4.boxes import BoxError, find, printable_kind, require, walk_children
from lecompose.files.mp4.errors import NeedsRemux
from lecompose.files.mp4.keyframes import Keyframes, list_keyframes, read_keyframes
from lecompose.files.mp4.nal_units import SYNTAX
from lecompose.files.mp4.read_sample_tables import Ints, Samples, read_samples
from lecompose.files.mp4.sample_description import SampleDescription, read_sample_description
from lecompose.files.mp4.timeline import Timeline, build_timeline

Small: TypeAlias = np.ndarray[Any, Any]

# No codec reorders further; a later first frame is a gap, not a delay.
_MAX_DELAY = 16

IDENTITY = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass(frozen=True)
class Track:
    """The samples of one video track in decode order, in the file at `path` that holds their bytes.

    `rank` is each sample's place in display order (None: the same as decode order). Frame k of the video
    is the sample of rank `hidden` + k: an edit list may hide samples before and after. `delay` is how many
    frames the encoder says display runs behind decoding, reordered or not; `stalls` samples have the
    decoding time of the one before. It is compact because a large collection keeps every track in memory.
    """

    path: Path
    size_bytes: int
    modified_ns: int
    sizes: Small
    run_starts: Small
    run_offsets: Small
    rank: Small | None
    sync: Small | None
    descriptions: tuple[SampleDescription, ...]
    description_numbers: Small | None
    hidden: int
    delay: int
    stalls: int
    times: Timeline
    scale: int
    matrix: bytes
    display: bytes

    @cached_property
    def keyframes(self) -> Keyframes:
        """The keyframes; their heads are read once if the codec needs that. Raises OSError if that fails."""
        keys = np.arange(len(self.sizes)) if self.sync is None else self.sync.astype(np.int64)
        if self.descriptions[0].codec not in SYNTAX:
            return list_keyframes(keys, self.descriptions[0].codec, reordered=self.rank is not None)
        numbers = (
            np.zeros(len(keys), np.int64)
            if self.description_numbers is None
            else self.description_numbers[keys]
        )
        return read_keyframes(
            self.path, keys, self.offsets()[keys], self.sizes[keys], numbers, self.descriptions
        )

    @cached_property
    def usable_by_rank(self) -> tuple[Ints, Ints]:
        """The ranks, ascending, of the keyframes that a decoder can start from, and their numbers."""
        keys = np.flatnonzero(self.keyframes.usable())
        samples = self.keyframes.samples[keys]
        ranks = samples if self.rank is None else self.rank[samples].astype(np.int64)
        order = np.argsort(ranks, kind="stable")
        return ranks[order], keys[order]

    def offsets(self) -> Ints:
        """Return the file offset of each sample. Units: bytes."""
        ends = np.cumsum(self.sizes, dtype=np.int64)
        before = ends - self.sizes
        lengths = np.diff(np.append(self.run_starts, len(self.sizes)))
        shift: Ints = np.repeat(self.run_offsets - before[self.run_starts], lengths)
        return before + shift

    def ranks(self) -> Ints:
        """Return the place of each sample in display order; hidden samples count."""
        return np.arange(len(self.sizes)) if self.rank is None else self.rank.astype(np.int64)


@dataclass(frozen=True)
class EditWindow:
    """What an edit list shows: the media from `from_tick` to `to_tick` (None: its end), after `delay_s`."""

    delay_s: Fraction
    from_tick: int | None
    to_tick: int | None


def list_tracks(moov: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield handler type (`vide`, `soun` …) and body of each track of a movie."""
    for kind, trak in walk_children(moov):
        if kind == b"trak":
            yield bytes(require(trak, b"mdia", b"hdlr")[8:12]), trak


def read_track(
    trak: memoryview,
    *,
    movie_scale: int,
    path: Path,
    size_bytes: int,
    modified_ns: int,
    truncated: bool = False,
) -> Track:
    """Return the track that a `trak` box describes.

    Of a `truncated` file it holds the leading samples that are complete.

    Raises:
        BoxError: if it is malformed.
        NeedsRemux: if only a full demuxer can read it.
    """
    stbl = require(trak, b"mdia", b"minf", b"stbl")
    found = read_samples(stbl, size_bytes)
    if truncated:
        found = found.take_first(_count_whole(found, size_bytes))
    if len(found.sizes) == 0:
        raise BoxError("the video track has no frames")
    _refuse_outside(found, size_bytes)
    header = require(trak, b"tkhd")
    matrix, display = bytes(header[-44:-8]), bytes(header[-8:])
    descriptions = _read_descriptions(require(stbl, b"stsd"), matrix)
    scale = read_time_scale(require(trak, b"mdia", b"mdhd"))
    shown, hidden, rank = _find_shown(
        found, read_edit_window(trak, movie_scale=movie_scale, scale=scale), scale
    )
    breaks = np.flatnonzero(found.offsets[:-1] + found.sizes[:-1] != found.offsets[1:]) + 1
    run_starts = np.concatenate((np.zeros(1, np.int64), breaks))
    return Track(
        path=path,
        size_bytes=size_bytes,
        modified_ns=modified_ns,
        sizes=found.sizes.astype(np.uint32),
        run_starts=run_starts,
        run_offsets=found.offsets[run_starts],
        rank=rank,
        sync=None if found.sync is None else found.sync.astype(np.int32),
        descriptions=descriptions,
        description_numbers=_read_description_numbers(found, len(descriptions)),
        hidden=hidden,
        delay=_find_delay(found, shown, hidden),
        stalls=found.stalls,
        times=shown,
        scale=scale,
        matrix=matrix,
        display=display,
    )


def _count_whole(found: Samples, size_bytes: int) -> int:
    """Return how many samples from the first on lie in the file and leave no hole among the frames shown."""
    outside = np.flatnonzero(found.offsets + found.sizes > size_bytes)
    count = int(outside[0]) if len(outside) else len(found.sizes)
    _, rank = _sort_for_display(found)
    if rank is None:
        return count
    closed = np.flatnonzero(np.maximum.accumulate(rank[:count]) == np.arange(count))
    return int(closed[-1]) + 1 if len(closed) else 0


def _refuse_outside(found: Samples, size_bytes: int) -> None:
    ends = found.offsets + found.sizes
    if found.offsets.min() < 0 or ends.max() > size_bytes:
        worst = int(ends.argmax())
        raise BoxError(f"truncated, frame {worst} needs bytes up to {ends[worst]}, file has {size_bytes}")


def _read_descriptions(stsd: memoryview, matrix: bytes) -> tuple[SampleDescription, ...]:
    descriptions = tuple(read_sample_description(kind, body, matrix) for kind, body in walk_children(stsd, 8))
    if not descriptions:
        raise BoxError("the video track has no sample description")
    return descriptions


def _read_description_numbers(found: Samples, count: int) -> Small | None:
    if found.description_numbers is None:
        return None
    if found.description_numbers.min() < 1 or found.description_numbers.max() > count:
        raise BoxError(f"a sample uses description {found.description_numbers.max()} of {count}")
    return (found.description_numbers - 1).astype(np.int32)


def read_time_scale(header: memoryview) -> int:
    """Return the ticks per second in an `mvhd` or `mdhd` body. Raises BoxError if it is 0."""
    (scale,) = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)
    if scale == 0:
        raise BoxError("a time scale is 0")
    return int(scale)


def read_edit_window(trak: memoryview, *, movie_scale: int, scale: int) -> EditWindow:
    """Return the part of the media that the edit list shows; without one, all of it as it stands."""
    elst = find(trak, b"edts", b"elst")
    edits = [] if elst is None else _read_edits(elst)
    delay = Fraction(0)
    while edits and edits[0][1] == -1:
        delay += Fraction(edits.pop(0)[0], movie_scale)
    if not edits:
        return EditWindow(delay, None, None)
    duration, media_time, speed = edits[0]
    if len(edits) > 1:
        raise NeedsRemux(f"mp4 with an edit list of {len(edits)} parts")
    if speed != 1 << 16 or media_time < 0:
        raise NeedsRemux("mp4 whose edit list changes the speed")
    end = media_time + math.ceil(Fraction(duration * scale, movie_scale)) if duration else None
    return EditWindow(delay, media_time, end)


def _read_edits(elst: memoryview) -> list[tuple[int, int, int]]:
    """Return duration in movie ticks, start in media ticks, and speed (16.16) of each edit."""
    form = ">QqI" if elst[0] == 1 else ">IiI"
    (count,) = struct.unpack_from(">I", elst, 4)
    width = struct.calcsize(form)
    if 8 + count * width > len(elst):
        raise BoxError(f"box {printable_kind(b'elst')} claims {count} edits")
    return [struct.unpack_from(form, elst, 8 + number * width) for number in range(count)]


def _find_shown(found: Samples, seen: EditWindow, scale: int) -> tuple[Timeline, int, Small | None]:
    """Return the timeline of the shown frames, the number of hidden ones before them, and all ranks."""
    ordered, rank = _sort_for_display(found)
    first = 0 if seen.from_tick is None else int(np.searchsorted(ordered, seen.from_tick))
    last = len(ordered)
    if seen.to_tick is not None:
        last = int(np.searchsorted(ordered, seen.to_tick))
    if first >= last:
        raise BoxError("the edit list hides every frame")
    start_s = seen.delay_s + Fraction(int(ordered[first]) - (seen.from_tick or 0), scale)
    return build_timeline(ordered[first:last], scale, start_s, found.step), first, rank


def _find_delay(found: Samples, shown: Timeline, hidden: int) -> int:
    """Return the frames between the start of decoding and the first one shown; 0 if an edit hides some."""
    first = int(found.pts.min()) if found.pts is not None else 0
    declared = first // shown.step if shown.step > 0 and not hidden else 0
    return declared if declared <= _MAX_DELAY else 0


def _sort_for_display(found: Samples) -> tuple[Ints, Small | None]:
    """Return the sorted display times, and each sample's rank (None: as in decode order)."""
    count = len(found.sizes)
    if found.pts is None:
        return np.arange(count) * found.step, None
    order = np.argsort(found.pts, kind="stable")
    if (order == np.arange(count)).all():
        return found.pts, None
    rank = np.empty(count, np.int32)
    rank[order] = np.arange(count, dtype=np.int32)
    return found.pts[order], rank
