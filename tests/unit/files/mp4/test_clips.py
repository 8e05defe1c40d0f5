"""Small clips for the media tests, made once a process, and proof that each is what its name says.

Every frame has its own moving texture, so that a decoded picture tells which frame of which clip it is.
"""

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest

os.environ.setdefault("SVT_LOG", "0")

WIDTH, HEIGHT = 64, 48
FPS = 30

X264 = {"preset": "veryfast", "threads": "1"}
X265 = {"preset": "ultrafast"}
RECIPES: dict[str, tuple[str, dict[str, str]]] = {
    "av1": ("libsvtav1", {"g": "2", "crf": "40", "preset": "12", "svtav1-params": "lp=1"}),
    "h264": ("libx264", {**X264, "g": "2", "bf": "0"}),
    "h264-late": ("libx264", {**X264, "g": "2"}),  # B-frames allowed and never used, as LeRobot encodes
    "h264-b": ("libx264", {**X264, "g": "12", "bf": "3", "x264-params": "b-adapt=0:scenecut=0"}),
    "h264-open": ("libx264", {**X264, "g": "8", "bf": "2", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}),
    "h264-crf40": ("libx264", {**X264, "g": "2", "bf": "0", "crf": "40", "qp": "40"}),
    "h264-inband": ("libx264", {**X264, "g": "2", "bf": "0", "x264-params": "repeat-headers=1"}),
    "h264-crf40-inband": (
        "libx264",
        {**X264, "g": "2", "bf": "0", "crf": "40", "qp": "40", "x264-params": "repeat-headers=1"},
    ),
    "hevc": (
        "libx265",
        {**X265, "x265-params": "keyint=6:open-gop=0:bframes=3:b-adapt=0:log-level=none:pools=1"},
    ),
    "hevc-open": (
        "libx265",
        {**X265, "x265-params": "keyint=6:min-keyint=6:bframes=3:b-adapt=0:scenecut=0:log-level=none"},
    ),
    "vp9": ("libvpx-vp9", {"g": "7", "deadline": "realtime", "cpu-used": "8"}),
    "mpeg4": ("mpeg4", {"g": "5"}),
    "mpeg4-b": ("mpeg4", {"g": "9", "bf": "2"}),
}
CLOSED = ("av1", "h264", "h264-b", "hevc", "vp9", "mpeg4")
OPEN = ("h264-open", "hevc-open", "mpeg4-b")


@cache
def _home() -> "TemporaryDirectory[str]":
    """Where clips are kept, made by whom needs one: what is killed while it collects tests leaves nothing."""
    return TemporaryDirectory(prefix="lecompose-media-")


def pictures(frames: int, seed: int) -> Iterator[np.ndarray]:
    """Shape: (HEIGHT * 3 / 2, WIDTH) each, yuv420p planes below one another."""
    texture = np.random.default_rng(seed).integers(30, 220, (HEIGHT // 4, WIDTH // 4))
    large = np.kron(texture, np.ones((4, 4)))
    for number in range(frames):
        luma = np.roll(large, (number, 2 * number), axis=(0, 1))
        luma[:8] = np.repeat([235 if number >> bit & 1 else 16 for bit in range(8)], WIDTH // 8)
        yield np.concatenate((luma, np.full((HEIGHT // 2, WIDTH), 128))).astype(np.uint8)


def encode(
    path: Path,
    recipe: str,
    frames: int,
    *,
    seed: int = 0,
    fps: int = FPS,
    times: Iterable[int] | None = None,
    time_base: Fraction | None = None,
    file_format: str | None = None,
    options: dict[str, str] | None = None,
    audio: bool = False,
) -> Path:
    """A clip at `path`; `times` are the display times of its frames in `time_base` units."""
    codec, settings = RECIPES[recipe]
    with av.open(str(path), "w", format=file_format, options=options or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=settings)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if time_base is not None:
            stream.codec_context.time_base = time_base
        sound = out.add_stream("aac", rate=8000, layout="mono") if audio else None
        for picture, time in zip(pictures(frames, seed), times or range(frames), strict=False):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = time, time_base or Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 4096), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate = 8000
            out.mux([*sound.encode(silence), *sound.encode(None)])
    return path


def clip(recipe: str, frames: int = 25, seed: int = 0) -> Path:
    """A clip made by a recipe; the same file whenever the same is asked for. Read only."""
    path = Path(_home().name) / f"{recipe}-{frames}-{seed}.mp4"
    # Never made twice: x264 and x265 do not give the same bytes each time.
    return path if path.exists() else encode(path, recipe, frames, seed=seed)


@cache
def pixels(path: Path) -> tuple[bytes, ...]:
    """The planes of each frame of a file that stays as it is."""
    return tuple(planes for planes, _ in decoded(path))


def decoded(path: Path) -> list[tuple[bytes, int]]:
    """Planes and pts of every frame, in display order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        return [(frame.to_ndarray().tobytes(), frame.pts) for frame in container.decode(stream)]


def packets(path: Path) -> list[tuple[int, int, bool]]:
    """pts, dts and key flag of every packet, in decode order."""
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, p.is_keyframe) for p in container.demux(video=0) if p.size]


def probe_truncated(path: Path) -> int:
    """Packets that are decoded after a keyframe but shown before it."""
    key, count = 0, 0
    for pts, _, is_key in packets(path):
        key = pts if is_key else key
        count += pts < key
    return count


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_frame_is_there_and_unlike_its_neighbours(recipe: str) -> None:
    found = pixels(clip(recipe))

    assert len(found) == 25
    assert all(one != other for one, other in pairwise(found))


@pytest.mark.parametrize("recipe", ["h264-b", "h264-open", "hevc", "hevc-open", "mpeg4-b"])
def test_reordered_clips_are_reordered(recipe: str) -> None:
    times = [pts for pts, _, _ in packets(clip(recipe))]

    assert times != sorted(times)


@pytest.mark.parametrize("recipe", OPEN)
def test_open_clips_show_frames_before_the_key_frame_that_precedes_them(recipe: str) -> None:
    assert probe_truncated(clip(recipe)) > 0


@pytest.mark.parametrize("recipe", CLOSED)
def test_closed_clips_do_not(recipe: str) -> None:
    assert probe_truncated(clip(recipe)) == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_clips_have_several_key_frames(recipe: str) -> None:
    assert sum(is_key for _, _, is_key in packets(clip(recipe))) > 1
