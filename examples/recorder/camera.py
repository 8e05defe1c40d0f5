"""Video: each episode is encoded by itself, and clips are joined without decoding a frame."""

import io
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("SVT_LOG", "1")  # or SVT-AV1 prints its settings at every start


class Encoder(NamedTuple):
    """A codec that LeRobot records with: FFmpeg's encoder, the stream's name, extra options."""

    name: str
    stream: str
    preset: int | None
    options: dict[str, str]
    shortest: int = 1  # in frames: libx265 leaves the decoding times of one or two to chance


ENCODERS = {
    "libsvtav1": Encoder("libsvtav1", "av1", 12, {"preset": "12"}),
    "h264": Encoder("libx264", "h264", None, {}),
    "hevc": Encoder("libx265", "hevc", None, {"x265-params": "log-level=none"}, shortest=3),
}


def encoder(codec: str) -> Encoder:
    """The encoder called `codec`. Errors: ValueError."""
    if codec not in ENCODERS:
        raise ValueError(f"codec {codec!r}: this recorder encodes {', '.join(ENCODERS)}")
    return ENCODERS[codec]


def encode(
    pictures: Iterable[NDArray[np.uint8]],
    *,
    codec: str,
    size: tuple[int, int],
    fps: int,
    gop: int,
    crf: int,
) -> bytes:
    """An mp4 file of `pictures`, frame k at exactly k/fps."""
    chosen = encoder(codec)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream: Any = out.add_stream(chosen.name, rate=fps)
        stream.options = {"g": str(gop), "crf": str(crf), **chosen.options}
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        stream.width, stream.height = size
        for number, picture in enumerate(pictures):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if number == 0:
                _calm_down()
        out.mux(stream.encode())
    return file.getvalue()


def _calm_down() -> None:
    """SVT-AV1 makes itself and whoever opens it real-time threads where it may: all else would wait."""
    threads = Path("/proc/self/task")
    for thread in threads.iterdir() if threads.is_dir() else ():
        with suppress(OSError):  # one that has ended meanwhile
            if os.sched_getscheduler(int(thread.name)) == os.SCHED_FIFO:
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def join(clips: Sequence[bytes], path: Path) -> None:
    """Writes `path`: the packets of all clips one after another, times shifted, nothing decoded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        sources = [opened.enter_context(av.open(io.BytesIO(clip))) for clip in clips]
        streams = [source.streams.video[0] for source in sources]
        packets = [packet for source in sources for packet in source.demux(video=0) if packet.size]
        out = opened.enter_context(av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}))
        target = out.add_stream_from_template(streams[0], opaque=True)
        target.time_base = streams[0].time_base
        ticks = _ticks(streams[0])
        shifts = {stream: shift * ticks for stream, shift in zip(streams, _starts(streams), strict=True)}
        # Decoding times count packets, early by what reordering needs. Shifting those of the clips would
        # not do: a clip too short to reorder in starts later, and would collide with the next one.
        early = max(-min(packet.dts for packet in packets), 0)
        for number, packet in enumerate(packets):
            packet.pts += shifts[packet.stream]
            packet.dts = number * ticks - early
            packet.stream = target
            out.mux(packet)


def _starts(streams: Sequence[Any]) -> list[int]:
    """The frame at which each clip begins in the joined file."""
    return list(accumulate((stream.frames for stream in streams[:-1]), initial=0))


def _ticks(stream: Any) -> int:
    """Length of one frame in the stream's time base; mp4 time scales are multiples of a whole rate."""
    ticks = 1 / (stream.average_rate * stream.time_base)
    if ticks.denominator != 1:
        raise ValueError(f"{stream.average_rate} fps do not fit the time base {stream.time_base}")
    return int(ticks)
