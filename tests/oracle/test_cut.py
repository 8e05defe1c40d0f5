"""LeRobot reads what was cut out of videos whose episodes do not start on keyframes."""

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.lerobot_reads import opened

import lecompose

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
LENGTHS = (7, 5, 12, 8, 9, 4)
FRONT = "observation.images.front"
# 12 frames from keyframe to keyframe: of these episodes only those at 0, 12 and 24 start on one.
ENCODERS = {
    "h264": ("libx264", {"g": "12", "crf": "18", "bf": "3", "x264-params": "b-adapt=0:scenecut=0"}),
    "libsvtav1": ("libsvtav1", {"g": "12", "crf": "20", "preset": "10"}),
}


def with_long_gops(source: Path, root: Path, codec: str) -> Path:
    """A copy of `source` with its one video encoded as a whole."""
    shutil.copytree(source, root)
    (path,) = root.rglob("*.mp4")
    encoder, options = ENCODERS[codec]
    with av.open(str(path)) as file:
        frames = [frame.reformat(format="yuv420p") for frame in file.decode(video=0)]
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream(encoder, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 30), 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return root


@pytest.mark.parametrize("backend", ["torchcodec", "pyav"])
@pytest.mark.parametrize("codec", ENCODERS)
def test_cut_episodes(codec: str, backend: str, recorded: Record, tmp_path: Path) -> None:
    source = with_long_gops(
        recorded(codec=codec, frames=LENGTHS, cameras=("front",)), tmp_path / "long", codec
    )
    report = lecompose.split(source, out=tmp_path / "parts", into={"a": "0,2,4", "b": "1,3,5"})
    again = {(clip.output, clip.episode) for clip in report.reencoded}
    assert again, "a source that cannot be cut everywhere is needed"
    before = opened(source, video_backend=backend)
    starts = np.cumsum([0, *LENGTHS])
    for part, episodes in (("a", (0, 2, 4)), ("b", (1, 3, 5))):
        after = opened(tmp_path / "parts" / part, video_backend=backend)
        for number, episode in enumerate(episodes):
            first = sum(LENGTHS[e] for e in episodes[:number])
            off = [
                after[first + n][FRONT].numpy().astype(np.int32)
                - before[int(starts[episode]) + n][FRONT].numpy()
                for n in range(LENGTHS[episode])
            ]
            if (part, number) in again:
                assert 10 * np.log10(255**2 / np.square(off).mean()) > 40
            else:
                assert not np.any(off)
        assert len(after) == sum(LENGTHS[e] for e in episodes)
