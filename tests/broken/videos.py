"""Videos that are not as they should be, made packet by packet."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from broken.damage import VIDEO, Damage, last
from recorder import camera


def pictures(count: int, size: tuple[int, int] = (64, 48)) -> Iterator[Any]:
    for n in range(count):
        yield np.full((size[1], size[0], 3), n * 20 % 256, np.uint8)


def encoded(frames: int, *, codec: str = "h264", fps: int = 30, size: tuple[int, int] = (64, 48)) -> bytes:
    return camera.encode(pictures(frames, size), codec=codec, size=size, fps=fps, gop=2, crf=30)


def video(content: Callable[[int], bytes]) -> Damage:
    """The last video becomes another one; `content` is given the number of its frames."""

    def damage(root: Path) -> None:
        path = last(root, VIDEO)
        with av.open(str(path)) as file:
            count = sum(1 for packet in file.demux(video=0) if packet.size)
        path.write_bytes(content(count))

    return damage


def variable_rate(root: Path) -> None:
    """The last video's frames stand at uneven times: the packets of the file, other times."""
    path = last(root, VIDEO)
    _remuxed(path, lambda number: Fraction(number, 30) + Fraction(number % 3, 90))


def _remuxed(path: Path, time_of: Callable[[int], Fraction], *, audio: bool = False) -> None:
    scale = 90_000
    held = camera.encode(
        pictures(7), codec="h264", size=(64, 48), fps=30, gop=1, crf=30
    )  # all keyframes: decoding order is display order
    path.write_bytes(held)
    out = path.with_suffix(".new.mp4")
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        stream.time_base = Fraction(1, scale)
        voice = target.add_stream("aac", rate=8000) if audio else None
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream, packet.time_base = stream, Fraction(1, scale)
            packet.pts = packet.dts = int(time_of(number) * scale)
            packet.duration = scale // 30
            target.mux(packet)
        if voice is not None:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 8000
            target.mux([*voice.encode(sound), *voice.encode(None)])
    out.replace(path)


def with_audio(root: Path) -> None:
    _remuxed(last(root, VIDEO), lambda number: Fraction(number, 30), audio=True)


def same_decoding_times(root: Path) -> None:
    """Two packets of the last video have one decoding time: in its `stts` table a step of 0."""
    path = last(root, VIDEO)
    _remuxed(path, lambda number: Fraction(number, 30))
    content = bytearray(path.read_bytes())
    at = content.index(b"stts")
    (rows,) = struct.unpack_from(">I", content, at + 8)
    steps = [struct.unpack_from(">II", content, at + 12 + 8 * n) for n in range(rows)]
    flat = [step for count, step in steps for _ in range(count)]
    shifts = [0, 0, flat[1], *[0] * (len(flat) - 3)]  # so that no frame is shown at another time
    flat[1], flat[2] = 0, flat[1] + flat[2]
    _grown(content, at - 4, _table(b"stts", flat) + _table(b"ctts", shifts))
    path.write_bytes(content)


def _table(kind: bytes, values: list[int]) -> bytes:
    rows = b"".join(struct.pack(">II", 1, value) for value in values)
    return struct.pack(">I", 16 + len(rows)) + kind + struct.pack(">II", 0, len(values)) + rows


def _grown(content: bytearray, at: int, boxes: bytes) -> None:
    """Other boxes for the one at `at`; all boxes around it grow, and the media behind it moves along."""
    (size,) = struct.unpack_from(">I", content, at)
    by = len(boxes) - size
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = content.index(kind) - 4
        (old,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", content, place, old + by)
    content[at : at + size] = boxes
    if content.index(b"moov") < content.index(b"mdat"):
        table = content.index(b"stco")
        (count,) = struct.unpack_from(">I", content, table + 8)
        for n in range(count):
            (offset,) = struct.unpack_from(">I", content, table + 12 + 4 * n)
            struct.pack_into(">I", content, table + 12 + 4 * n, offset + by)
