"""Pieces that start behind a keyframe: their first frames are encoded again, and the rest is copied."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import av
import pytest
from unit.files.mp4.test_clips import FPS, RECIPES, clip, decoded, pixels
from unit.files.mp4.test_encode import psnr

from lecompose.errors import MediaError
from lecompose.files import mp4
from lecompose.files.mp4.head_settings import give_back_settings
from lecompose.files.mp4.splice import find_splice, list_starts

RATE = Fraction(FPS)
X265 = {"preset": "ultrafast", "crf": "28"}
LONG: dict[str, tuple[str, dict[str, str]]] = {
    "spliced-h264-lerobot": ("libx264", {"g": "2", "crf": "30"}),
    "spliced-h264-g30": ("libx264", {"g": "30", "bf": "0", "crf": "30"}),
    "spliced-h264-g30-b": ("libx264", {"g": "30", "crf": "26", "x264-params": "scenecut=0"}),
    "spliced-h264-bitrate": ("libx264", {"g": "12", "b": "300000", "preset": "ultrafast"}),
    "spliced-hevc-g2": ("libx265", X265 | {"x265-params": "keyint=2:open-gop=0:bframes=0:log-level=none"}),
    "spliced-hevc-g30": ("libx265", X265 | {"x265-params": "keyint=30:open-gop=0:bframes=0:log-level=none"}),
    "spliced-av1-g2": ("libsvtav1", {"g": "2", "crf": "40", "preset": "12", "svtav1-params": "lp=1"}),
    "spliced-av1-g30": ("libsvtav1", {"g": "30", "crf": "30", "preset": "10", "svtav1-params": "lp=1"}),
}
RECIPES.update(LONG)
PIECES = ((17, 59), (3, 9), (35, 69), (0, 31))


def find_how(path: Path, scratch: Path, *, lossless: bool = False, **said: Any) -> mp4.Encoding | None:
    told = {f"video.{name}": value for name, value in said.items()}
    return mp4.HeadSettings(scratch, RATE).find(mp4.probe(path), told, lossless=lossless)


def splice(path: Path, low: int, high: int, scratch: Path) -> tuple[list[mp4.Segment], int, float]:
    """The frames [low, high) of a clip as segments, how many are encoded again, and how near these come."""
    video = mp4.probe(path)
    if mp4.probe_clip(video, low, high).preroll == 0:
        return [mp4.Segment(video, low, high)], 0, math.inf
    found, how = find_splice(video, low, high), find_how(path, scratch)
    assert how is not None
    assert found is not None
    key = found.frame
    made = mp4.encode(mp4.Segment(video, low, key), how, scratch=scratch, fps=RATE)
    segments = [mp4.Segment(made.video, 0, key - low)]
    if key < high:
        segments.append(mp4.Segment(video, key, high))
    assert found.compat_key == mp4.probe_clip(made.video, 0, key - low).compat_key
    return segments, key - low, made.psnr_db


def shown_in_any_order(path: Path, frames: int) -> list[bytes]:
    """Planes of each frame, sought one by one in random order."""
    seen = {}
    numbers = list(range(frames))
    Random(7).shuffle(numbers)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tick = 1 / (RATE * stream.time_base)
        for number in numbers:
            container.seek(int(number * tick), stream=stream)
            frame = next(f for f in container.decode(stream) if f.pts >= number * tick)
            assert frame.pts == number * tick
            seen[number] = frame.to_ndarray().tobytes()
    return [seen[number] for number in range(frames)]


@pytest.mark.parametrize("recipe", LONG)
def test_pieces_of_one_source_in_one_track(recipe: str, tmp_path: Path) -> None:
    path = clip(recipe, frames=70)
    video = mp4.probe(path)
    # Others lean on frames behind them, and are encoded whole.
    pieces = [piece for piece in PIECES if mp4.probe_clip(video, *piece).postroll == 0]
    assert len(pieces) >= 2
    segments: list[mp4.Segment] = []
    encoded: list[bool] = []
    for low, high in pieces:
        parts, count, db = splice(path, low, high, tmp_path)
        segments += parts
        encoded += [True] * count + [False] * (high - low - count)
        assert db > 40
    assert any(encoded)
    out = tmp_path / "out.mp4"
    written = mp4.concat(segments, out, fps=RATE)
    theirs = [planes for low, high in pieces for planes in pixels(path)[low:high]]
    assert written.frames == len(theirs)
    assert [pts for _, pts in decoded(out)] == [n * 512 for n in range(len(theirs))]
    for ours in ([planes for planes, _ in decoded(out)], shown_in_any_order(out, len(theirs))):
        for again, one, other in zip(encoded, ours, theirs, strict=True):
            assert psnr([one], [other]) > 39 if again else one == other
    result = mp4.probe(out)
    assert result.track.descriptions[0].box == video.track.descriptions[0].box
    keys = mp4.probe_clips(result, [(0, 1), (0, len(theirs))])
    assert {facts.compat_key for facts in keys} == {mp4.probe_clip(video, 0, 70).compat_key}


def test_where_packets_can_be_copied() -> None:
    video = mp4.probe(clip("spliced-h264-g30-b", frames=70))
    assert list_starts(video).tolist() == [0, 30, 60]
    found = [find_splice(video, low, 69) for low in (0, 1, 29, 30, 60)]
    assert [splice and splice.frame for splice in found] == [30, 30, 30, 60, 69]


@pytest.mark.parametrize("recipe", ["h264-open", "hevc", "hevc-open", "vp9", "mpeg4", "mpeg4-b"])
def test_never_behind_an_open_group_nor_another_codec(recipe: str) -> None:
    assert find_splice(mp4.probe(clip(recipe)), 1, 25) is None


def test_av1_that_does_not_bring_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bare.mp4"
    path.write_bytes(clip("av1").read_bytes())
    video = mp4.probe(path)
    assert find_splice(video, 1, 9) is not None
    offset = int(video.track.offsets()[video.track.keyframes.samples[3]])
    with path.open("r+b") as file:
        file.seek(offset)
        first = file.read(3)
        file.seek(offset + (2 if first[0] == 0x12 else 0))
        file.write(b"\x32")  # a frame
    assert find_splice(mp4.probe(path), 1, 9) is None


def test_no_encoder_no_splice(tmp_path: Path) -> None:
    """What another encoder made has parameter sets that x264 cannot give."""
    path = clip("h264-b")
    how = find_how(path, tmp_path)
    assert how is not None
    changed = path.read_bytes().replace(b"x264 - core", b"y264 - core")
    other = tmp_path / "other.mp4"
    other.write_bytes(changed)
    assert find_how(other, tmp_path) is None
    assert find_how(clip("vp9"), tmp_path) is None
    assert find_how(clip("h264"), tmp_path, lossless=True) is None


def test_encoded_frames_with_other_sets_are_refused(tmp_path: Path) -> None:
    video = mp4.probe(clip("spliced-h264-g30", frames=70))
    how = find_how(video.path, tmp_path)
    assert how is not None
    other = replace(how, options={"x264-params": "crf=19"})
    with pytest.raises(MediaError, match="other parameter sets"):
        mp4.encode(mp4.Segment(video, 1, 9), other, scratch=tmp_path, fps=RATE)
    assert list(tmp_path.glob("*.mp4")) == []


def test_settings_as_ffmpeg_takes_them() -> None:
    said = (
        "cabac=1 ref=3 deblock=1:-1:2 analyse=0x3:0x113 psy_rd=1.00:0.00 rc=crf mbtree=1 crf=30.0 aq=1:1.00"
    )
    assert give_back_settings(said) == "cabac=1:ref=3:deblock=-1,2:crf=30.0"
    assert give_back_settings("deblock=0:0:0 threads=7") == "no-deblock=1"


def test_the_nearest_frame_at_which_all_cameras_have_a_keyframe() -> None:
    def starts(path: Path) -> Any:
        return mp4.list_starts(mp4.probe(path))

    two, twelve = starts(clip("spliced-h264-lerobot", 70)), starts(clip("spliced-h264-bitrate", 70))
    assert [mp4.find_nearest_start([(two, 0)], frame, 70) for frame in (0, 5, 69)] == [0, 4, 68]
    both = [(two, 2), (twelve, 12)]  # the episode begins at another frame of each
    assert [mp4.find_nearest_start(both, frame, 50) for frame in (0, 6, 7, 49)] == [0, 0, 12, 48]
    assert mp4.find_nearest_start([(two, 1), (twelve, 0)], 5, 50) is None
    assert mp4.find_nearest_start([(starts(clip("hevc-open")), 1)], 5, 20) is None
