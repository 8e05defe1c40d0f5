"""LeRobot judges what split, delete, filter, sample and compose write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.independent import read
from support.lerobot_reads import (
    CODECS,
    TASKS,
    Moment,
    assert_recorded,
    episodes_of,
    halves,
    moments,
    opened,
    pictures,
    without_seeking,
)

import lecompose

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
MANY_FILES = {"frames_per_data_file": 10, "frames_per_video_file": 14, "episodes_per_meta_file": 3}
FORMATS: tuple[dict[str, Any], ...] = (
    {"version": "v2.0"}, {"version": "v2.1"}, {"version": "v3.0"}, {"version": "v3.0", **MANY_FILES},
)  # fmt: skip


def looks(codec: str, **more: Any) -> dict[str, Any]:
    return {
        "seed": 3,
        "frames": (7, 3, 12, 5, 9, 4),
        "codec": codec,
        "task_of": halves,
        "tasks": TASKS,
        **more,
    }


def in_order(frames: list[Moment], numbers: list[int]) -> list[Moment]:
    return [moment for number in numbers for moment in episodes_of(frames, number)]


@pytest.mark.parametrize("settings", FORMATS, ids=["v2.0", "v2.1", "v3.0", "v3.0 many files"])
@pytest.mark.parametrize(("codec", "backend"), CODECS)
def test_split_delete_sample(
    codec: str, backend: str, settings: dict[str, Any], recorded: Record, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    recording = looks(codec, **settings)
    source, frames = recorded(**recording), moments(recording)
    if codec == "hevc":
        without_seeking(monkeypatch)
    report = lecompose.split(source, out=tmp_path / "parts", into={"a": "1,2,4", "b": "0,3,5"})
    assert report.frames_decoded == 0
    assert_recorded(opened(tmp_path / "parts" / "a", video_backend=backend), in_order(frames, [1, 2, 4]))
    assert_recorded(opened(tmp_path / "parts" / "b", video_backend=backend), in_order(frames, [0, 3, 5]))
    lecompose.delete(source, out=tmp_path / "left", episodes="0,2:4")
    assert_recorded(opened(tmp_path / "left", video_backend=backend), in_order(frames, [1, 4, 5]))
    lecompose.sample(source, out=tmp_path / "shuffled", seed=1)
    order = [(7, 3, 12, 5, 9, 4).index(len(episode)) for episode in read(tmp_path / "shuffled").episodes]
    assert order != list(range(6)), "a seed that shuffles is needed"
    assert_recorded(opened(tmp_path / "shuffled", video_backend=backend), in_order(frames, order))


def test_carving_a_merge_of_many_files(recorded: Record, tmp_path: Path) -> None:
    """Split what was merged, delete from a part, and put all of it together again."""
    recordings = [
        {**looks("h264"), "version": "v2.1", "seed": 1},
        {**looks("h264"), "seed": 2, **MANY_FILES},
    ]
    tiny = {"data_mb": 0.001, "video_mb": 0.002, "chunk_files": 2}
    frames = moments(*recordings)
    lecompose.merge([recorded(**r) for r in recordings], out=tmp_path / "all", **tiny)
    lecompose.split(
        tmp_path / "all",
        out=tmp_path / "parts",
        into={"even": range(0, 12, 2), "odd": range(1, 12, 2)},
        **tiny,
    )
    assert_recorded(opened(tmp_path / "parts" / "even"), in_order(frames, list(range(0, 12, 2))))
    lecompose.delete(tmp_path / "parts" / "odd", out=tmp_path / "fewer", episodes="0,5", **tiny)
    assert_recorded(opened(tmp_path / "fewer"), in_order(frames, [3, 5, 7, 9]))
    lecompose.compose(
        "from episodes order by src_dataset desc, src_episode desc",
        {"even": tmp_path / "parts" / "even", "fewer": tmp_path / "fewer"},
        out=tmp_path / "again",
    )
    assert_recorded(opened(tmp_path / "again"), in_order(frames, [9, 7, 5, 3, 10, 8, 6, 4, 2, 0]))


def test_an_episode_picked_three_times(recorded: Record, tmp_path: Path) -> None:
    recording = looks("libsvtav1")
    sql = "select episodes.* from episodes, range(3) t(turn) where src_episode in (1, 3)"
    sql += " order by turn, src_episode desc"
    lecompose.compose(sql, recorded(**recording), out=tmp_path / "out")
    assert_recorded(opened(tmp_path / "out"), in_order(moments(recording), [3, 1] * 3))


def test_custom_columns_and_lineage_do_not_disturb_lerobot(recorded: Record, tmp_path: Path) -> None:
    recording = looks("h264")
    lecompose.filter(recorded(**recording), out=tmp_path / "out", where="length > 4")
    assert (tmp_path / "out/meta/lineage.parquet").is_file()
    assert_recorded(opened(tmp_path / "out"), in_order(moments(recording), [0, 2, 3, 4]))


@pytest.mark.parametrize("backend", ["torchcodec", "pyav"])
def test_real_recordings_split(backend: str, real: Path, tmp_path: Path) -> None:
    """0 frames decoded by the run, and LeRobot shows every frame of the parts as it stands in the source."""
    source = real / "g1_pick_a"
    report = lecompose.split(source, out=tmp_path / "parts", into={"train": 0.6, "val": 0.4}, seed=7)
    assert (report.frames_decoded, report.episodes) == (0, 5)
    episodes = read(source).episodes
    camera = read(source).cameras[0]
    for output in report.outputs:
        dataset = opened(output.path, video_backend=backend)
        items = iter(range(len(dataset)))
        for made in read(output.path).episodes:
            (episode,) = [
                e for e in episodes if e.rows["action"].to_pylist() == made.rows["action"].to_pylist()
            ]
            for seen in pictures(episode.clips[camera][0], backend):
                item = dataset[next(items)]
                assert np.array_equal(item[camera].numpy(), seen)
        assert next(items, None) is None
