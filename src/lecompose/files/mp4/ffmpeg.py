"""What the sample tables cannot do: open any container, remux it. Imports av only when it is needed."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lecompose.errors import OutputUnwritable, SourceBroken
from lecompose.files.mp4.errors import media_error
from lecompose.files.mp4.file_outline import recognise_impostor
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.timeline import Timeline, build_timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# A picture of 10,000 by 10,000 takes 600 MB while it is decoded; a few kilobytes can claim to hold more.
LIMITS = {"max_pixels": str(10**8)}
# A playlist or script that is called a video would have FFmpeg open other files, or hosts.
_OPTIONS = LIMITS | {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,h264,hevc,obu,ivf",
}
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO)


@dataclass(frozen=True)
class Remuxed:
    """A packet copy of a video as a plain mp4 at `path`; `times` are those of the original's packets."""

    path: Path
    times: Timeline
    has_audio: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PictureFormat:
    """How to read decoded pictures: pixel format, size, FFmpeg's numbers for colours, pixel shape."""

    pix_fmt: str
    width: int
    height: int
    color_range: int
    colorspace: int
    color_primaries: int
    color_trc: int
    aspect: Fraction | None


def describe(path: Path) -> dict[str, object]:
    """Return what `info.json` says about a video: codec, pix_fmt, width, height, fps, has_audio.

    Decodes no frame.

    Raises:
        MediaError: if FFmpeg cannot open it or finds no video.
        SourceBroken: if it is missing.
    """
    with open_video(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate or Fraction(0)
        return {
            "codec": stream.codec_context.codec.canonical_name,
            "pix_fmt": stream.codec_context.pix_fmt,
            "width": stream.codec_context.width,
            "height": stream.codec_context.height,
            "fps": int(rate) if rate.denominator == 1 else float(rate),
            "has_audio": bool(container.streams.audio),
        }


def remux(path: Path, scratch: Path, reason: str) -> Remuxed:
    """Copy the video packets of `path` unchanged into a new mp4 in `scratch`.

    Raises:
        MediaError: if FFmpeg cannot; it names `reason`.
        OutputUnwritable: if `scratch` cannot be written.
    """
    with open_video(path, f"{reason}: ") as (container, stream):
        ticks, step = _read_display_ticks(container, stream)
        scale = _read_time_base(stream).denominator
        warnings = tuple(_list_warnings(container))
        has_audio = bool(container.streams.audio)
    if len(ticks) == 0:
        raise media_error(f"{reason}: no frames", path)
    out = create_scratch_file(scratch)
    try:
        with open_video(path, f"{reason}: ") as (container, stream):
            _copy_packets(container, stream, ticks, out)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    shown = np.sort(ticks)
    return Remuxed(
        out, build_timeline(shown, scale, Fraction(int(shown[0]), scale), step), has_audio, warnings
    )


def read_picture_format(path: Path) -> PictureFormat:
    """Return the format of a video's pictures. Decodes only what FFmpeg needs to tell.

    Raises:
        MediaError: as `describe`, and if FFmpeg cannot tell the pixel format.
    """
    with open_video(path) as (_, stream):
        context = stream.codec_context
        if context.pix_fmt is None:
            raise media_error("FFmpeg cannot tell its pixel format", path)
        return PictureFormat(
            pix_fmt=context.pix_fmt,
            width=context.width,
            height=context.height,
            color_range=int(context.color_range),
            colorspace=int(context.colorspace),
            color_primaries=int(context.color_primaries),
            color_trc=int(context.color_trc),
            aspect=context.sample_aspect_ratio,
        )


def list_pixel_formats(encoder: str) -> tuple[str, ...] | None:
    """Return the pixel formats that an encoder of FFmpeg takes; None if this FFmpeg has no such encoder."""
    import av

    try:
        formats = av.Codec(encoder, "w").video_formats
    except ValueError:  # PyAV's error for an unknown codec is one too
        return None
    return tuple(each.name for each in formats or ())


@contextmanager
def open_video(
    path: Path, context: str = "", *, known_as: Path | None = None
) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Yield a container and its first video stream; every error of FFmpeg is translated.

    `known_as` is the file that the user knows, if `path` is only a copy.
    """
    import av

    known_as = known_as or path
    if path.exists() and not path.is_file():
        raise media_error(f"{context}not a regular file", known_as)
    if (what := _recognise_impostor(path)) is not None:
        raise media_error(f"{context}{what}", known_as)
    with (
        translate_ffmpeg_errors(known_as, context),
        av.open(str(path.absolute()), options=_OPTIONS) as container,
    ):
        if not container.streams.video:
            raise media_error(f"{context}no video track", known_as)
        stream = container.streams.video[0]
        stream.codec_context.options = LIMITS
        yield container, stream


def _recognise_impostor(path: Path) -> str | None:
    """Return what the file is if it is not a video: FFmpeg would only say that it is not."""
    try:
        with path.open("rb") as file:
            return recognise_impostor(file.read(512))
    except OSError:
        return None  # FFmpeg says why


@contextmanager
def translate_ffmpeg_errors(path: Path, context: str = "") -> Iterator[None]:
    """Translate what FFmpeg says about the video at `path`.

    Raises:
        MediaError: if FFmpeg refuses it.
        SourceBroken: if it is missing.
    """
    import av

    try:
        yield
    except FileNotFoundError as error:
        raise SourceBroken("a video file is missing", path=path) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # PyAV says ValueError where a codec has no place in mp4.
        reason = getattr(error, "strerror", None) or error
        raise media_error(f"{context}FFmpeg refuses it: {reason}", path) from error


def _list_warnings(container: "InputContainer") -> Iterator[str]:
    if container.streams.audio:
        yield "audio track: not copied"
    if (videos := len(container.streams.video)) > 1:
        yield f"{videos} video tracks: only the first is used"


def _read_time_base(stream: "VideoStream") -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _demux(container: "InputContainer", stream: "VideoStream") -> Iterator["Packet[VideoStream]"]:
    """Yield the packets that hold a frame. Raises MediaError if an edit list of several parts hides some."""
    for packet in container.demux(stream):
        if packet.is_discard:
            path = Path(container.name)
            raise media_error("an edit list of several parts hides frames: re-encode it first", path)
        if packet.size:
            yield packet


def _read_display_ticks(container: "InputContainer", stream: "VideoStream") -> tuple[Ints, int]:
    """Return when each packet is shown, in decode order, and the first one's duration.

    Units: 1/denominator s, of the stream's time base.
    """
    numerator = _read_time_base(stream).numerator
    times: list[int] = []
    step = 0
    for packet in _demux(container, stream):
        # AVI has no display times: there packets stand in decode order, one after the other.
        known = packet.pts if packet.pts is not None else packet.dts
        times.append(known if known is not None else len(times))
        step = step or packet.duration or 0
    return np.array(times, np.int64) * numerator, step * numerator


def _copy_packets(container: "InputContainer", stream: "VideoStream", ticks: Ints, out: Path) -> None:
    """Write the packets with the ranks of `ticks` as times, because those suit every muxer."""
    import av

    ranks = np.empty(len(ticks), np.int64)
    ranks[np.argsort(ticks, kind="stable")] = np.arange(len(ticks))
    depth = max(0, int((np.arange(len(ticks)) - ranks).max()))
    unit = Fraction(1, 30)
    with translate_disk_errors(out), av.open(str(out.absolute()), "w", format="mp4") as target:
        copied = target.add_stream_from_template(stream, opaque=True)
        copied.time_base = unit
        for number, packet in enumerate(_demux(container, stream)):
            packet.stream, packet.time_base = copied, unit
            packet.pts, packet.dts, packet.duration = int(ranks[number]), number - depth, 1
            target.mux(packet)


@contextmanager
def translate_disk_errors(out: Path) -> Iterator[None]:
    """Raise OutputUnwritable if the file system refuses the video at `out`."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise OutputUnwritable(
                "cannot write a remuxed or encoded video", reason=error.strerror, path=out
            ) from error
        raise


def create_scratch_file(scratch: Path) -> Path:
    """Create an empty file, unique among threads and processes, and return its path."""
    try:
        fd, name = tempfile.mkstemp(suffix=".mp4", dir=scratch)
    except OSError as error:
        raise OutputUnwritable(
            "cannot write a remuxed or encoded video", reason=error.strerror, path=scratch
        ) from error
    os.close(fd)
    return Path(name)
