"""Runs of frames of several videos in one new mp4, by rebuilding tables and copying byte ranges."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from lecompose.errors import MediaError, OutputUnwritable
from lecompose.files.mp4.cut import Cut, Piece, cut, entry_number, piece, starts_of, taken
from lecompose.files.mp4.errors import broken
from lecompose.files.mp4.kernel_copy import Pump, unwritable
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.timeline import deviation_s
from lecompose.files.mp4.track import Track
from lecompose.files.mp4.video import Video
from lecompose.files.mp4.write_moov import Movie, depth, head, time_scale


@dataclass(frozen=True)
class Segment:
    """The frames [from_frame, to_frame) of a video, a contiguous run that may cover several episodes."""

    video: Video
    from_frame: int
    to_frame: int


@dataclass(frozen=True)
class Written:
    """What a new file holds. `starts` is the output frame at which each segment's `from_frame` stands.

    Units: `bytes_copied` counts a file copied as it was, `bytes_remuxed` media moved into new tables.
    """

    frames: int
    size_bytes: int
    bytes_copied: int
    bytes_remuxed: int
    starts: tuple[int, ...]


@dataclass(frozen=True)
class _Part:
    """One segment's samples, in decode order."""

    video: Video
    made: Cut
    samples: Ints


def concat(
    segments: Sequence[Segment], out: Path, *, fps: Fraction, on_bytes: Callable[[int], None] | None = None
) -> Written:
    """What was written to `out`: the segments one after another, frame k at exactly k / fps.

    Each segment's lead stands before it and its tail behind it. `on_bytes` is told of bytes as they move.

    Errors: MediaError for segments that may not share a file or a source that changed; OutputUnwritable.
    """
    fps = Fraction(fps)
    _refuse_mixture(segments, out)
    _refuse_itself(segments, out)
    if len(segments) == 1 and _as_it_is(segments[0], fps):
        return _copy_file(segments[0].video, out, on_bytes)
    parts = [_part(segment) for segment in segments]
    movie = _movie(parts, fps)
    start = head(movie)
    media_bytes = int(movie.sizes.sum())
    with _created(out, len(start) + media_bytes) as fd:
        pump = Pump(fd, out, on_bytes)
        pump.put(start)
        for part in parts:
            _pump_part(part, pump)
    return Written(
        frames=len(movie.sizes),
        size_bytes=len(start) + media_bytes,
        bytes_copied=0,
        bytes_remuxed=media_bytes,
        starts=_starts(parts),
    )


def _refuse_mixture(segments: Sequence[Segment], out: Path) -> None:
    if not segments:
        raise broken("no video segments to write", out)
    found = [piece(segment.video, segment.from_frame, segment.to_frame) for segment in segments]
    for (before, after), (first, second) in zip(pairwise(segments), pairwise(found), strict=True):
        if reason := _unfit(first, second):
            raise MediaError(
                f"{reason}: frames [{after.from_frame}, {after.to_frame}) of {after.video.path} "
                f"cannot follow those of {before.video.path}; start another file ({out})"
            )


def _refuse_itself(segments: Sequence[Segment], out: Path) -> None:
    for video in {segment.video for segment in segments}:
        if out.exists() and out.samefile(video.track.path):
            raise OutputUnwritable(f"the output is one of its own sources ({out})")


def _unfit(before: Piece, after: Piece) -> str | None:
    if before.splice_key != after.splice_key:
        return "videos of different encodings"
    return None if after.closed else "video that leans on frames before its first one"


def _as_it_is(segment: Segment, fps: Fraction) -> bool:
    """Whether the segment is a whole file that already is what we would write."""
    video = segment.video
    whole = segment.from_frame == 0 and segment.to_frame == video.frames
    return (
        whole
        and video.bare
        and video.track.scale == time_scale(fps)[0]
        and deviation_s(video.track.times, fps) == 0
    )


def _copy_file(video: Video, out: Path, on_bytes: Callable[[int], None] | None) -> Written:
    with _created(out, video.size_bytes) as fd, _source(video) as source:
        Pump(fd, out, on_bytes).move(source, video.path, 0, video.size_bytes)
    return Written(
        video.frames, video.size_bytes, bytes_copied=video.size_bytes, bytes_remuxed=0, starts=(0,)
    )


def _part(segment: Segment) -> _Part:
    made = cut(segment.video, segment.from_frame, segment.to_frame)
    return _Part(segment.video, made, taken(segment.video.track, made))


def _starts(parts: list[_Part]) -> tuple[int, ...]:
    counts = np.array([len(part.samples) for part in parts])
    before = np.cumsum(counts) - counts
    return tuple(int(at) + part.made.lead for at, part in zip(before, parts, strict=True))


def _movie(parts: list[_Part], fps: Fraction) -> Movie:
    """The tables of all parts in a row."""
    first = parts[0]
    track = first.video.track
    sizes, ranks, keys = [], [], []
    at = 0
    for part in parts:
        sizes.append(part.video.track.sizes[part.samples].astype(np.int64))
        ranks.append(part.video.track.ranks()[part.samples] - part.made.rank + at)
        keys.append(_keys(part) + at)
        at += len(part.samples)
    order = np.concatenate(ranks)
    # A delay that the encoder declared stays, needed or not: players and muxers that append rely on it.
    delay = max(depth(order), *(part.video.track.delay for part in parts))
    return Movie(
        entry=track.entries[entry_number(first.video, first.made)],
        matrix=track.matrix,
        display=track.display,
        fps=fps,
        sizes=np.concatenate(sizes),
        ranks=order,
        keys=np.concatenate(keys),
        delay=delay,
    )


def _keys(part: _Part) -> Ints:
    """Which of the part's samples are key frames."""
    return np.flatnonzero(np.isin(part.samples, starts_of(part.video).samples, assume_unique=True))


def _pump_part(part: _Part, pump: Pump) -> None:
    track = part.video.track
    offsets, sizes = _ranges(track, part.samples)
    with _source(part.video) as fd:
        for offset, size in zip(offsets, sizes, strict=True):
            pump.move(fd, part.video.path, offset, size)


def _ranges(track: Track, samples: Ints) -> tuple[list[int], list[int]]:
    """Offset and size of each contiguous byte range that the samples fill, in their order."""
    offsets, sizes = track.offsets()[samples], track.sizes[samples].astype(np.int64)
    breaks = np.flatnonzero(offsets[:-1] + sizes[:-1] != offsets[1:]) + 1
    firsts = np.concatenate((np.zeros(1, np.int64), breaks))
    lengths: list[int] = np.add.reduceat(sizes, firsts).tolist()
    return offsets[firsts].tolist(), lengths


@contextmanager
def _source(video: Video) -> Iterator[int]:
    """A descriptor of the file that holds the media, which must be the one that was probed."""
    track = video.track
    try:
        fd = os.open(track.path, os.O_RDONLY)
    except OSError as error:
        raise broken(f"cannot be opened: {error.strerror}", video.path) from error
    try:
        now = os.fstat(fd)
        if (now.st_size, now.st_mtime_ns) != (track.size_bytes, track.modified_ns):
            raise broken(
                f"changed while it was used: {track.size_bytes} bytes before, {now.st_size} now", video.path
            )
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _created(out: Path, size_bytes: int) -> Iterator[int]:
    """A descriptor of the new file `out`, removed again unless `size_bytes` really landed in it.

    Whatever stood there is unlinked, never truncated: it might be another name of a source.
    """
    fd = _create(out)
    try:
        yield fd
        landed = os.fstat(fd).st_size
        if landed != size_bytes:
            raise OutputUnwritable(f"{landed} bytes landed, {size_bytes} were written ({out})")
    except BaseException:
        os.close(fd)
        out.unlink(missing_ok=True)
        raise
    try:
        os.close(fd)
    except OSError as error:
        raise unwritable(error, out) from error


def _create(out: Path) -> int:
    try:
        out.unlink(missing_ok=True)
        return os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        raise unwritable(error, out) from error
