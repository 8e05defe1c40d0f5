"""Decode pictures: some frames of a video, or a picture file held in memory."""

import io
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from lecompose.errors import MediaError
from lecompose.files.mp4.errors import media_error
from lecompose.files.mp4.ffmpeg import LIMITS, open_video, translate_ffmpeg_errors

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Shape: (height, width, channels); uint8 with three channels, of depth uint16 with one.
Picture = NDArray[Any]
OnFrame = Callable[[], None]

_OPTIONS = LIMITS | {
    "format_whitelist": "png_pipe,apng,jpeg_pipe,jpegls_pipe,mjpeg,tiff_pipe,webp_pipe,bmp_pipe"
}


@dataclass(frozen=True)
class DisplayTimes:
    """When each frame of a video is shown, in that order, and which of them are keyframes.

    Units: `ticks` are multiples of `time_base` seconds; `keys` are frame numbers.
    """

    ticks: list[int]
    keys: list[int]
    time_base: Fraction


def read_display_times(path: Path) -> DisplayTimes:
    """Return when the frames of a video are shown. Decodes nothing.

    Raises:
        MediaError: if FFmpeg cannot read it.
        SourceBroken: if it is missing.
    """
    with open_video(path) as (container, stream):
        times = [
            (packet.pts, packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and not packet.is_discard
        ]
        time_base = stream.time_base or Fraction(0)
    times.sort()
    keys = [n for n, (_, is_key) in enumerate(times) if is_key]
    return DisplayTimes([pts for pts, _ in times], keys, time_base)


def decode_frames(
    path: Path,
    times: DisplayTimes,
    wanted: Sequence[int],
    *,
    depth: bool = False,
    on_frame: OnFrame = lambda: None,
) -> Iterator[Picture]:
    """Yield the frames with the numbers in `wanted`, which ascend.

    Only the groups of pictures that hold one are decoded. `on_frame` is called for each frame decoded.

    Raises:
        MediaError: if a frame does not decode or is missing.
        SourceBroken: if the file is missing.
    """
    if wanted and wanted[-1] >= len(times.ticks):
        raise media_error(f"it has {len(times.ticks)} frames, frame {wanted[-1]} is needed", path)
    done = 0
    for seeking in (True, False):
        for picture in _decode(path, times, wanted[done:], seeking=seeking, on_frame=on_frame):
            done += 1
            yield _to_array(picture, depth=depth)
        if done == len(wanted):
            return
    raise media_error(f"frame {wanted[done]} does not decode", path)


def find_undecodable_frames(path: Path, *, threads: int = 1) -> list[int]:
    """Return the numbers of the frames of a video that do not decode, or decode with holes.

    Every frame is decoded, on `threads` threads. Decoders are told not to conceal damage.

    Raises:
        MediaError: if FFmpeg cannot read the file.
        SourceBroken: if it is missing.
    """
    times = read_display_times(path).ticks
    sound: set[int] = set()
    with open_video(path) as (container, stream):
        stream.thread_count = threads
        stream.codec_context.options = {"err_detect": "explode"}
        for frame in _decode_sound_frames(container, stream):
            if frame.pts is not None:
                sound.add(frame.pts)
    return [n for n, tick in enumerate(times) if tick not in sound]


def _decode_sound_frames(container: "InputContainer", stream: "VideoStream") -> Iterator["VideoFrame"]:
    """Yield the frames that decode without an error; the decoder goes on behind those that do not."""
    path = Path(container.name)
    for packet in container.demux(stream):
        yield from (frame for frame in _decode_packet(packet, path) if not frame.is_corrupt)


def _decode_packet(packet: "Packet[VideoStream]", path: Path) -> list["VideoFrame"]:
    """Return the frames of a packet; none if it does not decode."""
    with suppress(MediaError), translate_ffmpeg_errors(path):
        return packet.decode()
    return []


def decode_picture(data: bytes, *, depth: bool = False, name: Path) -> Picture:
    """Return the picture in a PNG, JPEG or TIFF file; `name` is the file that holds it.

    Raises:
        MediaError: if it is not a picture.
    """
    import av

    with (
        translate_ffmpeg_errors(name, "a picture in it: "),
        av.open(io.BytesIO(data), "r", options=_OPTIONS) as container,
    ):
        if container.streams.video:
            container.streams.video[0].codec_context.options = LIMITS
        for frame in container.decode(video=0):
            return _to_array(frame, depth=depth)
    raise media_error("a picture in it is empty", name)


def _decode(
    path: Path, times: DisplayTimes, wanted: Sequence[int], *, seeking: bool, on_frame: OnFrame
) -> Iterator["VideoFrame"]:
    """Yield the wanted frames up to the first that is missing: after a seek FFmpeg may start behind it."""
    with open_video(path) as (container, stream):
        stream.thread_count = 1  # the work is shared out by clips
        at = -1
        frames = container.decode(stream)
        for number in wanted:
            if seeking and (key := _find_key_ahead(times, at, number)) is not None:
                container.seek(times.ticks[key], stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                on_frame()
                at = bisect_left(times.ticks, frame.pts if frame.pts is not None else -1)
                if at >= number:
                    break
            if at != number:
                return
            yield frame


def _find_key_ahead(times: DisplayTimes, at: int, number: int) -> int | None:
    """Return the last keyframe up to `number`, if frames lie between it and the one decoded last.

    Seeking costs less than decoding a frame (measured).
    """
    before = bisect_right(times.keys, number) - 1
    return times.keys[before] if before >= 0 and times.keys[before] > at + 1 else None


def _to_array(frame: "VideoFrame", *, depth: bool) -> Picture:
    """Return the pixels of a frame, as LeRobot 0.6.1 reads them."""
    if not depth:
        return frame.to_ndarray(format="rgb24")
    kind = "gray16le" if frame.format.components[0].bits > 12 else "gray12le"
    return frame.to_ndarray(format=kind)[..., None]
