"""One video file, probed from its tables; nothing is decoded."""

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from lecompose.errors import MediaError, SourceBroken
from lecompose.files.mp4.boxes import BoxError, Span, find, printable_kind, require
from lecompose.files.mp4.errors import NeedsRemux, media_error
from lecompose.files.mp4.ffmpeg import remux
from lecompose.files.mp4.file_outline import read_outline
from lecompose.files.mp4.timeline import estimate_fps, list_timing_warnings, measure_deviation_s
from lecompose.files.mp4.track import IDENTITY, Track, list_tracks, read_time_scale, read_track

# ftyp, free, mdat header: what a writer needs around media and tables.
_PACKAGING_BYTES = 4096
# Tables take some 20 bytes a frame.
_MOST_TABLE_BYTES = 2**28


@dataclass(frozen=True)
class Video:
    """A video file as its tables describe it.

    `fps` is the grid below the timestamps (gaps not counted), 0 for a single frame without duration.
    `path` is the file that the user knows, even if the media is read from a remuxed copy.
    """

    path: Path
    size_bytes: int
    frames: int
    fps: Fraction
    width: int
    height: int
    codec: str
    pix_fmt: str | None
    has_audio: bool
    warnings: tuple[str, ...]
    track: Track = field(repr=False, compare=False)
    is_copyable: bool = field(repr=False, compare=False)
    """Whether the file is one moov-first video track and nothing else, so that it may be copied as a file."""
    is_truncated: bool = field(default=False, repr=False, compare=False)
    """Whether the file has more frames in its tables than are told here."""
    is_all_shown: bool = field(default=False, repr=False, compare=False)
    """Whether the file is one video track of which every frame is shown, upright."""


def probe(path: Path, *, scratch: Path | None = None) -> Video:
    """Return the video at `path`, as its `moov` describes it.

    A file that its tables cannot describe is remuxed once, into `scratch`.

    Raises:
        MediaError: if the file is not a usable video, or needs a remux and `scratch` is not given.
        SourceBroken: if it is missing.
        OutputUnwritable: if `scratch` cannot be written.
    """
    try:
        return _probe_tables(path)
    except NeedsRemux as reason:
        if scratch is None:
            raise media_error(f"{reason}: it has to be remuxed first", path) from reason
        return _probe_remuxed(path, scratch, str(reason))


def probe_truncated(path: Path) -> Video:
    """Return the leading frames of a video whose end is cut off: all that are complete.

    Raises:
        MediaError: if there are none, or the tables are not in front.
        SourceBroken: if the file is missing.
    """
    try:
        return replace(
            _probe_tables(path, truncated=True), is_copyable=False, is_all_shown=False, is_truncated=True
        )
    except NeedsRemux as reason:
        raise media_error(str(reason), path) from reason


def measure_grid_deviation_s(video: Video, fps: Fraction) -> float:
    """Return the largest distance of a frame from k / fps, 0.0 if all stand exactly on it. Units: seconds."""
    return measure_deviation_s(video.track.times, fps)


def _probe_tables(path: Path, *, truncated: bool = False) -> Video:
    with _open(path) as (fd, status):
        spans = read_outline(fd, status.st_size, path, truncated=truncated)
        moov_at = next(span for span in spans if span.kind == b"moov")
        if moov_at.end - moov_at.body > _MOST_TABLE_BYTES:
            raise media_error(
                f"tables of {moov_at.end - moov_at.body:,} bytes: no recording has so many", path
            )
        moov = os.pread(fd, moov_at.end - moov_at.body, moov_at.body)
    try:
        return _describe(path, status, spans, memoryview(moov), truncated=truncated)
    except (BoxError, struct.error, IndexError) as error:
        raise media_error(f"damaged mp4: {error}", path) from error


def count_samples(path: Path) -> int | None:
    """Return how many samples the video track of a file has, hidden ones too; None where that is not plain.

    Reads two headers and one number: thousands of files a second.
    """
    try:
        with _open(path) as (fd, status):
            spans = read_outline(fd, status.st_size, path)
            moov_at = next(span for span in spans if span.kind == b"moov")
            if moov_at.end - moov_at.body > _MOST_TABLE_BYTES:
                return None
            moov = memoryview(os.pread(fd, moov_at.end - moov_at.body, moov_at.body))
        tracks = [trak for kind, trak in list_tracks(moov) if kind == b"vide"]
        sizes = find(tracks[0], b"mdia", b"minf", b"stbl", b"stsz") if len(tracks) == 1 else None
        return None if sizes is None else int(struct.unpack_from(">I", sizes, 8)[0])
    except (MediaError, SourceBroken, NeedsRemux, BoxError, struct.error, IndexError):
        return None


@contextmanager
def _open(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Yield a descriptor and the state of the file; every error of the system is translated."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is not waited for
    except FileNotFoundError as error:
        raise SourceBroken("a video file is missing", path=path) from error
    except OSError as error:
        raise media_error(f"cannot be opened: {error.strerror}", path) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise media_error("not a regular file", path)
        yield fd, status
    except OSError as error:
        raise media_error(f"cannot be read: {error.strerror}", path) from error
    finally:
        os.close(fd)


def _describe(
    path: Path, status: os.stat_result, spans: list[Span], moov: memoryview, *, truncated: bool
) -> Video:
    if find(moov, b"mvex") is not None:
        raise NeedsRemux("fragmented mp4 (no sample table)")
    if find(moov, b"cmov") is not None:
        raise NeedsRemux("mp4 with compressed tables")
    tracks = list(list_tracks(moov))
    videos = [trak for kind, trak in tracks if kind == b"vide"]
    if not videos:
        raise media_error("no video track", path)
    found = read_track(
        videos[0],
        movie_scale=read_time_scale(require(moov, b"mvhd")),
        path=path,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        truncated=truncated,
    )
    first = found.descriptions[0 if found.description_numbers is None else int(found.description_numbers[0])]
    kinds = [kind for kind, _ in tracks]
    return Video(
        path=path,
        size_bytes=status.st_size,
        frames=found.times.frames,
        fps=estimate_fps(found.times),
        width=first.width,
        height=first.height,
        codec=first.codec,
        pix_fmt=first.pix_fmt,
        has_audio=b"soun" in kinds,
        warnings=(*_list_track_warnings(kinds), *_list_edit_warnings(found)),
        track=found,
        is_copyable=len(tracks) == 1 and _is_copyable(found, spans),
        is_all_shown=len(tracks) == 1 and _is_all_shown(found),
    )


def _is_copyable(found: Track, spans: list[Span]) -> bool:
    """Return whether the file holds the tables first, then only bytes of shown frames and some packaging."""
    moov = next(span for span in spans if span.kind == b"moov")
    tables_first = all(span.kind != b"mdat" for span in spans[: spans.index(moov)])
    around = found.size_bytes - int(found.sizes.sum()) - (moov.end - moov.start)
    return tables_first and 0 <= around <= _PACKAGING_BYTES and _is_all_shown(found)


def _is_all_shown(found: Track) -> bool:
    return len(found.sizes) == found.times.frames and found.matrix == IDENTITY


def _list_track_warnings(kinds: list[bytes]) -> list[str]:
    found = []
    if b"soun" in kinds:
        found.append("audio track: not copied")
    if (videos := kinds.count(b"vide")) > 1:
        found.append(f"{videos} video tracks: only the first is used")
    if others := sorted({printable_kind(kind) for kind in kinds} - {"soun", "vide"}):
        found.append(f"{', '.join(others)} track: not copied")
    return found


def _list_edit_warnings(found: Track) -> list[str]:
    remarked = []
    if found.matrix[:8] + found.matrix[12:20] != IDENTITY[:8] + IDENTITY[12:20]:
        remarked.append("rotation/flip in the track header: decoders disagree on it")
    if found.hidden:
        remarked.append(f"edit list hides the first {found.hidden} packets (trimmed without re-encoding)")
    if after := len(found.sizes) - found.hidden - found.times.frames:
        remarked.append(f"edit list hides the last {after} packets (trimmed without re-encoding)")
    return remarked + list_timing_warnings(found.times)


def _probe_remuxed(path: Path, scratch: Path, reason: str) -> Video:
    """Return the video at `path` with the tables of a remuxed copy, but the times of the original."""
    copy = remux(path, scratch, reason)
    try:
        inner = _probe_tables(copy.path)
    except (NeedsRemux, MediaError) as error:
        raise media_error(f"{reason}: its remuxed copy cannot be used: {error}", path) from error
    found = replace(inner.track, times=copy.times)
    return replace(
        inner,
        path=path,
        size_bytes=path.stat().st_size,
        fps=estimate_fps(copy.times),
        has_audio=copy.has_audio,
        warnings=(f"{reason}: remuxed first", *copy.warnings, *_list_edit_warnings(found)),
        track=found,
        is_copyable=False,
        is_all_shown=False,
    )
