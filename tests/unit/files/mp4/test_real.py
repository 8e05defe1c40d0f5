"""Real recordings (AV1, 640x480): skipped where they are not at hand."""

import os
from fractions import Fraction
from pathlib import Path

import pytest
from unit.files.mp4.test_clips import decoded, packets

from lecompose.files.mp4 import (
    Segment,
    concat,
    describe,
    measure_grid_deviation_s,
    probe,
    probe_clip,
    probe_clips,
)

HOME = Path(os.environ.get("LECOMPOSE_REAL") or Path(__file__).parents[5] / "shared" / "real")
FILES = sorted(HOME.glob("g1_pick_*/videos/chunk-000/*/episode_*.mp4"))
RATE = Fraction(30)

pytestmark = pytest.mark.skipif(not FILES, reason=f"no recordings under {HOME} (set LECOMPOSE_REAL)")


def test_probing_agrees_with_ffmpeg() -> None:
    for path in FILES:
        video, told = probe(path), describe(path)
        assert (video.codec, video.pix_fmt) == (told["codec"], told["pix_fmt"])
        assert (video.width, video.height, video.fps) == (told["width"], told["height"], told["fps"])
        assert video.frames == len(packets(path))
        assert measure_grid_deviation_s(video, RATE) == 0.0
        assert video.warnings == ()


def test_all_recordings_share_one_file(tmp_path: Path) -> None:
    videos = [probe(path) for path in FILES]
    segments = [Segment(video, 0, video.frames) for video in videos]
    out = tmp_path / "out.mp4"

    written = concat(segments, out, fps=RATE)

    assert len({probe_clip(video, 0, video.frames).compat_key for video in videos}) == 1
    assert written.frames == sum(video.frames for video in videos)
    assert sorted(pts for pts, _, _ in packets(out)) == [512 * number for number in range(written.frames)]
    assert measure_grid_deviation_s(probe(out), RATE) == 0.0
    media = [probe_clip(video, 0, video.frames).size_bytes for video in videos]
    assert written.bytes_remuxed == sum(media)


def test_cuts_of_recordings_decode_to_the_same_pictures(tmp_path: Path) -> None:
    first, last = probe(FILES[0]), probe(FILES[-1])
    segments = [Segment(first, 21, 60), Segment(last, 0, 40), Segment(first, 90, 121)]
    out = tmp_path / "out.mp4"

    written = concat(segments, out, fps=RATE)

    got = decoded(out)
    sources = {video: decoded(video.path) for video in (first, last)}
    assert [pts for _, pts in got] == [512 * number for number in range(written.frames)]
    for segment, start in zip(segments, written.starts, strict=True):
        low, high = segment.from_frame, segment.to_frame
        frames = sources[segment.video][low:high]
        assert [planes for planes, _ in got[start : start + high - low]] == [planes for planes, _ in frames]
    assert [part.preroll for part in probe_clips(first, [(21, 60), (90, 121)])] == [1, 0]
