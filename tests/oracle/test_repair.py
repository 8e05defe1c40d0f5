"""LeRobot reads what was saved of damaged datasets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.lerobot_reads import RECORDING, assert_recorded, episodes_of, moments, opened

import lecompose

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_episodes_without_their_files_are_left_out(
    version: str, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_dataset(
        "bad", version=version, **RECORDING, frames_per_video_file=10, frames_per_data_file=10
    )
    videos = sorted(root.glob("videos/**/*wrist*/**/*.mp4"))
    videos[-1].write_bytes(videos[-1].read_bytes()[:1000])
    report = lecompose.repair(root, out=tmp_path / "out")
    lost = {dropped.episode for dropped in report.dropped}
    assert 3 in lost
    kept = [n for n in range(4) if n not in lost]
    assert_recorded(opened(tmp_path / "out"), episodes_of(moments(RECORDING), *kept))


def test_what_a_crash_left(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    root = make_dataset("bad", **RECORDING, episodes_per_meta_file=3)
    sorted(root.glob("meta/episodes/*/*.parquet"))[-1].write_bytes(b"PAR1")
    report = lecompose.repair(root, out=tmp_path / "out")
    assert report.dropped == ()
    assert_recorded(opened(tmp_path / "out"), moments(RECORDING))
