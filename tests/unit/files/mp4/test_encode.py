"""Encoding frames again: exactly those, as they looked, good enough, and fit to be joined to others."""

import math
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from unit.files.mp4.test_clips import FPS, HEIGHT, WIDTH, clip, decoded, encode, pixels

from lecompose.errors import MediaError, OutputUnwritable
from lecompose.files import mp4
from lecompose.files.mp4 import EncodedVideo, Encoding, Segment, choose_encoding, concat, probe, probe_clip
from lecompose.files.mp4.ffmpeg import read_picture_format
from lecompose.files.mp4.thread_priority import keep_thread_priority

RATE = Fraction(FPS)
AGAIN = ("h264-b", "h264-open", "hevc", "hevc-open", "av1", "vp9", "mpeg4", "mpeg4-b")


def encoded(
    path: Path, low: int, high: int, scratch: Path, *, lossless: bool = False, **said: Any
) -> EncodedVideo:
    video = probe(path)
    how = choose_encoding(video, {f"video.{key}": value for key, value in said.items()}, lossless=lossless)
    return mp4.encode(Segment(video, low, high), how, scratch=scratch, fps=RATE)


def rgb(planes: bytes) -> np.ndarray:
    picture = np.frombuffer(planes, np.uint8).reshape(HEIGHT * 3 // 2, WIDTH)
    return av.VideoFrame.from_ndarray(picture, format="yuv420p").to_ndarray(format="rgb24").astype(float)


def psnr(one: list[bytes], other: list[bytes]) -> float:
    error = np.mean([(rgb(a) - rgb(b)) ** 2 for a, b in zip(one, other, strict=True)])
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("recipe", AGAIN)
@pytest.mark.parametrize(("low", "high"), [(0, 25), (3, 4), (5, 17), (13, 25)])
def test_the_frames_asked_for_and_no_other(recipe: str, low: int, high: int, tmp_path: Path) -> None:
    made = encoded(clip(recipe), low, high, tmp_path)
    ours = [planes for planes, _ in decoded(made.video.path)]
    theirs = list(pixels(clip(recipe))[low:high])
    assert len(ours) == made.video.frames == high - low
    assert psnr(ours, theirs) == pytest.approx(made.psnr_db)
    assert made.psnr_db > 40
    for other in (low - 1, low + 1):
        shifted = list(pixels(clip(recipe))[max(other, 0) : max(other, 0) + high - low])
        assert len(shifted) < len(theirs) or shifted == theirs or psnr(ours, shifted) < made.psnr_db - 5
    assert [p.name for p in tmp_path.iterdir()] == [made.video.path.name], "only the result stays"


@pytest.mark.parametrize("recipe", AGAIN)
def test_any_later_cut_is_closed_and_copies(recipe: str, tmp_path: Path) -> None:
    made = encoded(clip(recipe), 2, 24, tmp_path, g=9)
    keys = made.video.track.keyframes.samples.tolist()
    assert keys == [0, 9, 18], "and not where the source had its own"
    for low in keys:
        found = probe_clip(made.video, low, 22)
        assert (found.preroll, found.postroll, found.closed_gop) == (0, 0, True)
    assert made.video.track.rank is None, "nothing is reordered"


@pytest.mark.parametrize("recipe", AGAIN)
def test_whatever_the_quality_and_length_they_share_a_file(recipe: str, tmp_path: Path) -> None:
    video = probe(clip(recipe))
    how = choose_encoding(video, {})
    worst = {"crf": "40"} if "crf" in how.qualities[0] else {"qmin": "9", "qmax": "9"}
    parts = []
    for quality in (worst, *how.qualities):
        for low, high in ((0, 1), (4, 6), (3, 20)):
            each = replace(how, qualities=(quality,))
            made = mp4.encode(Segment(video, low, high), each, scratch=tmp_path, fps=RATE)
            parts.append((made.video, low))
    out = tmp_path / "out.mp4"
    written = concat([Segment(part, 0, part.frames) for part, _ in parts], out, fps=RATE)
    assert len({probe_clip(part, 0, part.frames).compat_key for part, _ in parts}) == 1
    shown = [planes for planes, _ in decoded(out)]
    for (part, _), start in zip(parts, written.starts, strict=True):
        alone = [planes for planes, _ in decoded(part.path)]
        assert shown[start : start + part.frames] == alone


def test_files_are_shared_by_what_has_equal_headers() -> None:
    def key(path: Path, **said: Any) -> str:
        return choose_encoding(
            probe(path), {f"video.{name}": value for name, value in said.items()}
        ).compat_key

    h264 = key(clip("h264-b"))
    assert h264.startswith("encoded/")
    assert h264 == key(clip("h264-open")) == key(clip("h264-b"), crf=30, g=7)
    others = [key(clip("hevc")), key(clip("h264-b"), preset="veryfast"), key(clip("vp9")), key(clip("av1"))]
    assert len({h264, *others}) == 5


# Settings -----------------------------------------------------------------------------------------------


def settings(path: Path, *, lossless: bool = False, threads: int = 1, **said: Any) -> dict[str, str]:
    how = how_of(path, lossless=lossless, **said)
    return how.build_settings(how.qualities[0], threads=threads)


def how_of(path: Path, *, lossless: bool = False, **said: Any) -> Encoding:
    return choose_encoding(
        probe(path), {f"video.{key}": value for key, value in said.items()}, lossless=lossless
    )


def test_what_the_dataset_says_is_what_is_done() -> None:
    found = settings(
        clip("h264-b"), codec="h264", g=5, crf=23, preset="slow", fast_decode=1, extra_options={"aq-mode": 2}
    )
    assert found == {
        "g": "5",
        "crf": "23",
        "preset": "slow",
        "tune": "fastdecode",
        "aq-mode": "2",
        "bf": "0",
        "mbtree": "0",
        "threads": "1",
        "x264-params": "stitchable=1:open-gop=0:bframes=0",
    }
    found = settings(clip("av1"), threads=3, g=2, crf=30, preset=12, fast_decode=2)
    assert (found["preset"], found["svtav1-params"]) == ("8", "fast-decode=2:lp=3")
    found = settings(clip("hevc"), threads=2, extra_options={"x265-params": "bframes=4:aq-mode=0"})
    assert found["x265-params"] == "bframes=4:aq-mode=0:log-level=none:open-gop=0:bframes=0:pools=2"


def test_what_is_not_said_is_measured_or_good() -> None:
    assert settings(clip("h264-b"))["g"] == "12"
    assert settings(clip("hevc-open"), g=None, crf=None, preset=None, extra_options=None)["g"] == "6"
    assert settings(clip("vp9", 5))["g"] == "5", "one keyframe only"
    assert settings(clip("h264-b"))["crf"] == "18"


def test_settings_of_another_codec_do_not_count() -> None:
    found = settings(clip("h264-b"), codec="av1", g=2, crf=30, preset=12)
    assert (found["g"], found["crf"], found.get("preset")) == ("12", "18", None)
    assert settings(clip("av1"), preset="slow")["preset"] == "8"


def test_qualities_get_better() -> None:
    def crfs(crf: float | None) -> list[str]:
        return [quality["crf"] for quality in how_of(clip("h264-b"), crf=crf).qualities]

    assert crfs(30) == ["30", "24", "18", "12", "6", "1"]
    assert crfs(45) == ["45", "39", "18", "12", "6", "1"]
    assert crfs(23.5) == ["23.5", "17.5", "11.5", "5.5", "1"]
    assert crfs(10) == ["10", "4", "1"]
    assert crfs(None) == ["18", "12", "6", "1"]


def test_too_low_a_quality_is_raised(tmp_path: Path) -> None:
    poor = encoded(clip("h264-b"), 3, 20, tmp_path, crf=50)
    assert poor.psnr_db > 40
    fine = encoded(clip("h264-b"), 3, 20, tmp_path, crf=4)
    # Once: decoded to be encoded, and both decoded to be compared; the lead of 3 each time.
    assert fine.frames_decoded == 2 * (3 + 17) + 17
    assert poor.frames_decoded >= 2 * fine.frames_decoded


def test_the_best_is_kept_where_none_is_good(tmp_path: Path) -> None:
    video = probe(clip("h264-b"))
    how = replace(choose_encoding(video, {}), qualities=({"crf": "40"}, {"crf": "34"}, {"crf": "46"}))
    made = mp4.encode(Segment(video, 3, 20), how, scratch=tmp_path, fps=RATE)
    alone = mp4.encode(
        Segment(video, 3, 20), replace(how, qualities=({"crf": "34"},)), scratch=tmp_path, fps=RATE
    )
    assert made.psnr_db == pytest.approx(alone.psnr_db, abs=0.5)
    assert made.psnr_db < 42


# Looks --------------------------------------------------------------------------------------------------


def coloured(path: Path, encoder: str, tag: str | None = None) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(encoder, rate=FPS, options={"g": "12", "x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 2, 9, 9, 16
        context.sample_aspect_ratio = Fraction(4, 3)
        if tag:
            context.codec_tag = tag
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(picture(number), format="gray").reformat(format="yuv420p10le")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def picture(number: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (120 + 80 * np.sin(x / 7 + number / 3) * np.cos(y / 9)).astype(np.uint8)


@pytest.mark.parametrize(("encoder", "tag"), [("libx264", "avc1"), ("libx265", "hvc1"), ("libx265", "hev1")])
def test_depth_colours_and_pixel_shape_stay(encoder: str, tag: str, tmp_path: Path) -> None:
    path = coloured(tmp_path / "in.mp4", encoder, tag)
    made = encoded(path, 5, 15, tmp_path)
    assert read_picture_format(made.video.path) == read_picture_format(path)
    assert read_picture_format(path).color_trc == 16
    assert made.video.track.descriptions[0].box[4:8] == tag.encode()
    assert made.psnr_db > 40


def depth(path: Path) -> Path:
    """A 12-bit depth map, as LeRobot stores it."""
    options = {"x265-params": "lossless=1:keyint=10:log-level=none"}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx265", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray12le"
        for number, samples in enumerate(distances()):
            frame = av.VideoFrame(WIDTH, HEIGHT, "gray12le")
            rows = np.zeros((HEIGHT, frame.planes[0].line_size // 2), np.uint16)
            rows[:, :WIDTH] = samples
            frame.planes[0].update(rows.tobytes())
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def distances() -> Iterator[np.ndarray]:
    noise = np.random.default_rng(5)
    for _ in range(25):
        yield noise.integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)


def test_depth_loses_nothing(tmp_path: Path) -> None:
    path = depth(tmp_path / "in.mp4")
    made = encoded(path, 7, 19, tmp_path, lossless=True)
    assert made.psnr_db == math.inf
    with av.open(str(made.video.path)) as file:
        planes = [np.frombuffer(f.planes[0], np.uint16).reshape(HEIGHT, -1) for f in file.decode(video=0)]
    for ours, theirs in zip(planes, list(distances())[7:19], strict=True):
        assert np.array_equal(ours[:, :WIDTH], theirs)


@pytest.mark.parametrize("recipe", ["h264-b", "vp9", "hevc"])
def test_depth_in_other_codecs_loses_nothing(recipe: str, tmp_path: Path) -> None:
    made = encoded(clip(recipe), 5, 15, tmp_path, lossless=True)
    assert [planes for planes, _ in decoded(made.video.path)] == list(pixels(clip(recipe))[5:15])


def test_what_claims_to_lose_nothing_is_checked(tmp_path: Path) -> None:
    video = probe(clip("h264-b"))
    how = replace(choose_encoding(video, {}), lossless=True)
    with pytest.raises(MediaError, match="libx264 lost data"):
        mp4.encode(Segment(video, 5, 15), how, scratch=tmp_path, fps=RATE)
    assert list(tmp_path.iterdir()) == []


def test_a_rotation_stays(tmp_path: Path) -> None:
    path = encode(tmp_path / "in.mp4", "h264-b", 25)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    struct.pack_into(">9i", data, at, 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    source = probe(path)
    made = encoded(path, 5, 15, tmp_path)
    assert made.video.track.matrix == source.track.matrix
    concat([Segment(made.video, 0, 10)], tmp_path / "out.mp4", fps=RATE)
    assert probe(tmp_path / "out.mp4").track.matrix == source.track.matrix
    assert choose_encoding(source, {}).compat_key != choose_encoding(probe(clip("h264-b")), {}).compat_key


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    path = encode(tmp_path / "in.mp4", "vp9", 25)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    length, start = struct.unpack_from(">II", data, at)
    scale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    struct.pack_into(">II", data, at, length - 4 * scale // FPS, start + 4 * 15360 // FPS)
    path.write_bytes(data)
    assert probe(path).frames == 21
    made = encoded(path, 0, 10, tmp_path)
    ours = [planes for planes, _ in decoded(made.video.path)]
    assert psnr(ours, list(pixels(clip("vp9"))[4:14])) > 40


def test_what_had_to_be_remuxed_is_encoded_too(tmp_path: Path) -> None:
    path = encode(tmp_path / "in.mp4", "h264-b", 25, file_format="matroska")
    source = probe(path, scratch=tmp_path)
    made = mp4.encode(Segment(source, 5, 15), choose_encoding(source, {}), scratch=tmp_path, fps=RATE)
    theirs = [planes for planes, _ in decoded(path)][5:15]
    assert psnr([planes for planes, _ in decoded(made.video.path)], theirs) > 40


# Faults -------------------------------------------------------------------------------------------------


def test_no_encoder(tmp_path: Path) -> None:
    video = probe(clip("h264-b"))
    with pytest.raises(MediaError, match="no encoder for vvc video here"):
        choose_encoding(replace(video, codec="vvc"), {})
    with pytest.raises(MediaError, match="libsvtav1 cannot encode yuv444p pictures"):
        choose_encoding(replace(video, codec="av1", track=probe(four(tmp_path / "444.mp4")).track), {})
    with pytest.raises(MediaError, match="mpeg4 cannot encode depth without loss"):
        choose_encoding(probe(clip("mpeg4")), {}, lossless=True)


def four(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        frame = av.VideoFrame.from_ndarray(picture(0), format="gray").reformat(format="yuv444p")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_settings_that_the_encoder_refuses(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"libx264 cannot encode it again: .*\(.*h264-b.*\.mp4\)$"):
        encoded(clip("h264-b"), 3, 20, tmp_path, preset="no such thing")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="no such folder"):
        encoded(clip("h264-b"), 3, 20, tmp_path / "no such folder")


def test_a_full_disk_is_the_output_s_fault(tmp_path: Path) -> None:
    """The cut still fits, what the encoder makes of it without any loss does not."""
    video = probe(clip("h264-b"))
    how = choose_encoding(video, {}, lossless=True)
    mp4.encode(Segment(video, 3, 20), how, scratch=tmp_path, fps=RATE)
    needed = max(path.stat().st_size for path in tmp_path.iterdir())
    assert needed > 2 * video.size_bytes
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (needed - 2000, before[1]))
    try:
        with pytest.raises(OutputUnwritable, match="cannot write a remuxed or encoded video: File too large"):
            mp4.encode(Segment(video, 3, 20), how, scratch=tmp_path, fps=RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(list(tmp_path.iterdir())) == 1


def test_whoever_is_told_of_frames_may_stop_it(tmp_path: Path) -> None:
    video = probe(clip("h264-b"))
    left = iter(range(7))
    with pytest.raises(StopAsyncIteration):
        mp4.encode(
            Segment(video, 3, 20),
            choose_encoding(video, {}),
            scratch=tmp_path,
            fps=RATE,
            on_frame=lambda: stop(left),
        )
    assert list(tmp_path.iterdir()) == []


def stop(left: Iterator[int]) -> None:
    if next(left, None) is None:
        raise StopAsyncIteration


URGENT = """
import os, sys
from fractions import Fraction
from pathlib import Path
from lecompose.files import mp4
def urgent():
    return [t for t in os.listdir("/proc/self/task") if os.sched_getscheduler(int(t)) != os.SCHED_OTHER]
seen = []
video = mp4.probe(Path(sys.argv[1]))
how = mp4.choose_encoding(video, {}, lossless=False)
look = lambda: seen.append(len(urgent()))
segment, scratch = mp4.Segment(video, 0, 9), Path(sys.argv[2])
mp4.encode(segment, how, scratch=scratch, fps=Fraction(sys.argv[3]), on_frame=look)
print(len(seen) > 9, sum(seen[1:]), len(urgent()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no threads to be seen")
def test_nothing_becomes_a_real_time_thread(tmp_path: Path) -> None:
    """SVT-AV1 makes itself one where it may: as root."""
    with keep_thread_priority():
        path = clip("av1")
    words = [sys.executable, "-c", URGENT, str(path), str(tmp_path), str(RATE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "0", "0"], done.stderr
