"""LeRobot judges edited datasets: tasks, features, rates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.lerobot_reads import RECORDING, Moment, assert_recorded, mark_of, moments, opened

import lecompose
from recorder import value

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_other_tasks(version: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(version=version, **RECORDING)
    lecompose.edit_tasks(source, out=tmp_path / "out", episodes={1: "nod"}, replace={"wave": "wave twice"})
    told = {"wave": "wave twice"}
    expected = [
        frame._replace(task="nod" if frame.episode == 1 else told.get(frame.task, frame.task))
        for frame in moments(RECORDING)
    ]
    assert_recorded(opened(tmp_path / "out"), expected)


def test_in_place(make_dataset: Callable[..., Path]) -> None:
    root = make_dataset("day", **RECORDING)
    lecompose.edit_tasks(root, in_place=True, task="nod")
    assert_recorded(opened(root), [frame._replace(task="nod") for frame in moments(RECORDING)])


def test_other_features(recorded: Record, tmp_path: Path) -> None:
    lecompose.edit_features(
        recorded(**RECORDING),
        out=tmp_path / "out",
        remove=["observation.images.wrist"],
        add={
            "next.reward:float32": "case when frame_index = length - 1 then 1 else 0 end",
            "next.done": "frame_index = length - 1",
            "half:float32[6]": "list_transform(action, lambda x: x / 2)",
            "label": "'frame ' || frame_index",
        },
    )
    dataset = opened(tmp_path / "out")
    assert_recorded(dataset, moments(RECORDING))
    lengths = RECORDING["frames"]
    for index, frame in enumerate(moments(RECORDING)):
        item, is_last = dataset[index], frame.frame == lengths[frame.episode] - 1
        assert (float(item["next.reward"]), bool(item["next.done"])) == (float(is_last), is_last)
        action = value("action", frame.episode, frame.frame, seed=frame.seed)
        assert np.array_equal(item["half"].numpy(), action / 2)
        assert item["label"] == f"frame {frame.frame}"
    assert set(dataset.meta.stats) >= {"next.reward", "next.done", "half"}


@pytest.mark.parametrize("backend", ["torchcodec", "pyav"])
def test_frames_dropped_on_the_grid(backend: str, recorded: Record, tmp_path: Path) -> None:
    fast, slow = recorded(fps=30, **RECORDING), recorded(fps=15, **(RECORDING | {"seed": 4}))
    lecompose.merge([fast, slow], out=tmp_path / "out", fps=15)
    dataset = opened(tmp_path / "out", video_backend=backend)
    kept = [frame for frame in moments(RECORDING) if frame.frame % 2 == 0]
    expected = [*kept, *moments(RECORDING | {"seed": 4})]
    assert (dataset.fps, len(dataset)) == (15, len(expected))
    for index, frame in enumerate(expected):
        item = dataset[index]
        number = frame.frame // 2 if index < len(kept) else frame.frame
        assert (int(item["frame_index"]), item["task"]) == (number, frame.task)
        assert abs(float(item["timestamp"]) - number / 15) < 1e-6
        action = value("action", frame.episode, frame.frame, seed=frame.seed)
        assert np.array_equal(item["action"].numpy(), action)
        for camera, key in enumerate(dataset.meta.video_keys):
            assert mark_of(item[key]) == (*frame[:3], camera)


def test_timed_anew(recorded: Record, tmp_path: Path) -> None:
    lecompose.edit_info(recorded(**RECORDING), out=tmp_path / "out", retime=12, robot_type="so101")
    dataset = opened(tmp_path / "out")
    assert (dataset.fps, dataset.meta.robot_type) == (12, "so101")
    frames: list[Moment] = moments(RECORDING)
    assert_recorded(dataset, frames)
