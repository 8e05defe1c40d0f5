"""Join runs of frames of several videos in one new mp4: build new tables, copy byte ranges."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from lecompose.errors import MediaError, OutputUnwritable
from lecompose.files.links import link_file
from lecompose.files.mp4.choose_samples import (
    ClipFacts,
    SampleRange,
    choose_samples,
    find_description_number,
    list_samples,
    load_keyframes,
    probe_clip,
)
from lecompose.files.mp4.errors import media_error
from lecompose.files.mp4.kernel_copy import FileCopier, unwritable_error
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.timeline import measure_deviation_s
from lecompose.files.mp4.track import Track
from lecompose.files.mp4.video import Video
from lecompose.files.mp4.write_sample_tables import (
    Movie,
    build_head,
    choose_time_scale,
    measure_reorder_depth,
)


@dataclass(frozen=True)
class Segment:
    """The frames [from_frame, to_frame) of a video, a contiguous run that may cover several episodes."""

    video: Video
    from_frame: int
    to_frame: int


@dataclass(frozen=True)
class WrittenVideo:
    """What a new file holds. `starts` is the output frame at which each segment's `from_frame` stands.

    Units: bytes; `bytes_copied` counts a file copied as it was, `bytes_remuxed` media moved into new tables,
    `bytes_linked` a file that has another name now, and was not copied.
    """

    frames: int
    size_bytes: int
    starts: tuple[int, ...]
    bytes_copied: int = 0
    bytes_remuxed: int = 0
    bytes_linked: int = 0


@dataclass(frozen=True)
class _Piece:
    """One segment's samples, in decode order."""

    video: Video
    made: SampleRange
    samples: Ints


def concat(
    segments: Sequence[Segment],
    out: Path,
    *,
    fps: Fraction,
    on_bytes: Callable[[int], None] | None = None,
    link: bool = False,
) -> WrittenVideo:
    """Write the segments to `out` one after another, frame k at exactly k / fps, and return what was written.

    Each segment's preroll stands before it and its postroll behind it. `on_bytes` is called as bytes move.
    A file that goes whole into `out` is linked where `link` allows it and the file system can.

    Raises:
        MediaError: if the segments may not share a file, or a source has changed.
        OutputUnwritable: if the file system refuses.
    """
    fps = Fraction(fps)
    _refuse_mixture(segments, out)
    _refuse_own_source(segments, out)
    if len(segments) == 1 and _is_whole(segments[0]):
        video = segments[0].video
        if link and may_link(video, fps) and (linked := _link_file(video, out, on_bytes)):
            return linked
        if _is_as_written(video, fps):
            return _copy_file(video, out, on_bytes)
    parts = [_choose_piece(segment) for segment in segments]
    movie = _build_movie(parts, fps)
    start = build_head(movie)
    media_bytes = int(movie.sizes.sum())
    with _create_checked(out, len(start) + media_bytes) as fd:
        copier = FileCopier(fd, out, on_bytes)
        copier.append(start)
        for part in parts:
            _copy_part(part, copier)
    return WrittenVideo(
        frames=len(movie.sizes),
        size_bytes=len(start) + media_bytes,
        starts=_find_starts(parts),
        bytes_remuxed=media_bytes,
    )


def _refuse_mixture(segments: Sequence[Segment], out: Path) -> None:
    if not segments:
        raise media_error("no video segments to write", out)
    found = [probe_clip(segment.video, segment.from_frame, segment.to_frame) for segment in segments]
    for (before, after), (first, second) in zip(pairwise(segments), pairwise(found), strict=True):
        if reason := _find_misfit(first, second):
            raise MediaError(
                f"{reason}: frames [{after.from_frame}, {after.to_frame}) of {after.video.path} cannot"
                f" follow those of {before.video.path}; start another file",
                path=out,
            )


def _refuse_own_source(segments: Sequence[Segment], out: Path) -> None:
    for video in {segment.video for segment in segments}:
        if out.exists() and out.samefile(video.track.path):
            raise OutputUnwritable("the output is one of its own sources", path=out)


def _find_misfit(before: ClipFacts, after: ClipFacts) -> str | None:
    if before.compat_key != after.compat_key:
        return "videos of different encodings"
    return None if after.closed_gop else "video that depends on frames before its first one"


def _is_whole(segment: Segment) -> bool:
    return segment.from_frame == 0 and segment.to_frame == segment.video.frames


def may_link(video: Video, fps: Fraction) -> bool:
    """Return whether a file, as it lies there, may be an output's: all its frames, each at its time."""
    as_they_should = video.is_all_shown and not video.track.stalls
    return as_they_should and measure_deviation_s(video.track.times, fps) == 0


def _is_as_written(video: Video, fps: Fraction) -> bool:
    """Return whether a file already is what we would write of all its frames."""
    return (
        video.is_copyable
        and video.track.scale == choose_time_scale(fps)[0]
        and measure_deviation_s(video.track.times, fps) == 0
    )


def _link_file(video: Video, out: Path, on_bytes: Callable[[int], None] | None) -> WrittenVideo | None:
    """Return what `out` is as another name of a video's file; None where it cannot be."""
    try:
        out.unlink(missing_ok=True)
        if not link_file(video.track.path, out):
            return None
    except FileNotFoundError as error:
        raise media_error("was removed while it was used", video.path) from error
    except OSError as error:
        raise unwritable_error(error, out) from error
    try:
        with _open_source(video):  # it is the one that was probed
            pass
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    if on_bytes is not None:
        on_bytes(video.size_bytes)
    return WrittenVideo(video.frames, video.size_bytes, (0,), bytes_linked=video.size_bytes)


def _copy_file(video: Video, out: Path, on_bytes: Callable[[int], None] | None) -> WrittenVideo:
    with _create_checked(out, video.size_bytes) as fd, _open_source(video) as source:
        FileCopier(fd, out, on_bytes).copy_range(source, video.path, 0, video.size_bytes)
    return WrittenVideo(video.frames, video.size_bytes, (0,), bytes_copied=video.size_bytes)


def _choose_piece(segment: Segment) -> _Piece:
    made = choose_samples(segment.video, segment.from_frame, segment.to_frame)
    return _Piece(segment.video, made, list_samples(segment.video.track, made))


def _find_starts(parts: list[_Piece]) -> tuple[int, ...]:
    counts = np.array([len(part.samples) for part in parts])
    before = np.cumsum(counts) - counts
    return tuple(int(at) + part.made.preroll for at, part in zip(before, parts, strict=True))


def _build_movie(parts: list[_Piece], fps: Fraction) -> Movie:
    """Return the tables of all pieces in a row."""
    first = parts[0]
    track = first.video.track
    sizes, ranks, keys = [], [], []
    at = 0
    for part in parts:
        sizes.append(part.video.track.sizes[part.samples].astype(np.int64))
        ranks.append(part.video.track.ranks()[part.samples] - part.made.rank + at)
        keys.append(_find_keyframes(part) + at)
        at += len(part.samples)
    order = np.concatenate(ranks)
    # A delay that the encoder declared stays, needed or not: players and muxers that append rely on it.
    delay = max(measure_reorder_depth(order), *(part.video.track.delay for part in parts))
    return Movie(
        entry=track.descriptions[find_description_number(first.video, first.made)],
        matrix=track.matrix,
        display=track.display,
        fps=fps,
        sizes=np.concatenate(sizes),
        ranks=order,
        keys=np.concatenate(keys),
        delay=delay,
    )


def _find_keyframes(part: _Piece) -> Ints:
    """Return which of the piece's samples are keyframes."""
    return np.flatnonzero(np.isin(part.samples, load_keyframes(part.video).samples, assume_unique=True))


def _copy_part(part: _Piece, copier: FileCopier) -> None:
    track = part.video.track
    offsets, sizes = _find_byte_ranges(track, part.samples)
    with _open_source(part.video) as fd:
        for offset, size in zip(offsets, sizes, strict=True):
            copier.copy_range(fd, part.video.path, offset, size)


def _find_byte_ranges(track: Track, samples: Ints) -> tuple[list[int], list[int]]:
    """Return offset and size of each contiguous byte range that the samples fill, in their order."""
    offsets, sizes = track.offsets()[samples], track.sizes[samples].astype(np.int64)
    breaks = np.flatnonzero(offsets[:-1] + sizes[:-1] != offsets[1:]) + 1
    firsts = np.concatenate((np.zeros(1, np.int64), breaks))
    lengths: list[int] = np.add.reduceat(sizes, firsts).tolist()
    return offsets[firsts].tolist(), lengths


@contextmanager
def _open_source(video: Video) -> Iterator[int]:
    """Yield a descriptor of the file that holds the media, which must be the one that was probed."""
    track = video.track
    try:
        fd = os.open(track.path, os.O_RDONLY)
    except OSError as error:
        raise media_error(f"cannot be opened: {error.strerror}", video.path) from error
    try:
        now = os.fstat(fd)
        if (now.st_size, now.st_mtime_ns) != (track.size_bytes, track.modified_ns):
            raise media_error(
                f"changed while it was used: {track.size_bytes} bytes before, {now.st_size} now", video.path
            )
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _create_checked(out: Path, size_bytes: int) -> Iterator[int]:
    """Yield a descriptor of the new file `out`, and remove it unless `size_bytes` really landed in it.

    Whatever stood there is unlinked, never truncated: it might be another name of a source.
    """
    fd = _create(out)
    try:
        yield fd
        landed = os.fstat(fd).st_size
        if landed != size_bytes:
            raise OutputUnwritable(f"{landed} of {size_bytes} bytes arrived", path=out)
    except BaseException:
        os.close(fd)
        out.unlink(missing_ok=True)
        raise
    try:
        os.close(fd)
    except OSError as error:
        raise unwritable_error(error, out) from error


def _create(out: Path) -> int:
    try:
        out.unlink(missing_ok=True)
        return os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        raise unwritable_error(error, out) from error
