"""Statistics of pictures as jobs: others decode, the finisher adds up; the numbers are one machine's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lecompose
from lecompose import statistics
from lecompose.composition.runners import worker
from lecompose.composition.runners.job_folder import open_job_folder
from lecompose.composition.runners.job_list import MEASURE

Record = Callable[..., Path]
SMALL: dict[str, Any] = {"codec": "h264", "size": (64, 48), "frames": (6, 5, 7), "state_dim": 1}
WANTED: dict[str, Any] = {"images": True, "video_mb": 0.001, "data_mb": 0.001}


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "lineage.parquet")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def plan(root: Path, out: Path) -> Path:
    lecompose.stats(root, out=out, **WANTED, runner="plan")
    return out.parent / f".{out.name}.lecompose"


@pytest.fixture
def root(recorded: Record) -> Path:
    return recorded(**SMALL, cameras=("front",), image_features=("top",))


@pytest.fixture
def expected(root: Path, tmp_path: Path) -> dict[str, bytes]:
    lecompose.stats(root, out=tmp_path / "here", **WANTED)
    return contents(tmp_path / "here")


def test_who_finishes_decodes_nothing(
    root: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plan(root, tmp_path / "out")
    measured = [task for task in open_job_folder(folder).jobs.tasks if task.kind == MEASURE]
    assert len(measured) > 2
    for shard in ("1/2", "2/2", "1/2", "2/2"):
        lecompose.run_jobs(folder, shard=shard)
    monkeypatch.setattr(statistics.visual, "_decode_clip", None)
    lecompose.stats(root, out=tmp_path / "out", **WANTED, runner="finish")
    assert contents(tmp_path / "out") == expected


def test_what_nobody_has_measured_is_measured_in_the_end(
    root: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_STALE_S", 0)
    folder = plan(root, tmp_path / "out")
    lecompose.run_jobs(folder)
    for path in sorted(folder.glob("jobs/files/*/*/seen.npz"))[::2]:
        path.write_bytes(b"spoilt")
    lecompose.stats(root, out=tmp_path / "out", **WANTED, runner="finish")
    assert contents(tmp_path / "out") == expected


def test_a_clip_seen_by_others_is_seen_alike(root: Path, tmp_path: Path) -> None:
    (path,) = root.glob("videos/*/*/*.mp4")
    camera = lecompose.formats.Feature("front", "video", (48, 64, 3), {})
    clips = [statistics.SampledClip(path, *frames) for frames in ((0, 6), (6, 11), (11, 18))]
    seen = statistics.look_at_clips(clips, camera, quantiles={"q50": 0.5})
    seen.write(tmp_path / "seen.npz")
    again = statistics.read_seen_clips(tmp_path / "seen.npz")
    np.testing.assert_array_equal(again.counts, seen.counts)
    assert {stat: values.tobytes() for stat, values in again.episodes.items()} == {
        stat: values.tobytes() for stat, values in seen.episodes.items()
    }
