"""LeRobot reads what is linked and appended; what it changes in a linked copy changes nowhere else."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.lerobot_reads import TASKS, assert_recorded, episodes_of, halves, moments, opened

import lecompose

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
FRONT = "observation.images.front"


def looks(seed: int, **more: Any) -> dict[str, Any]:
    return {
        **{"version": "v3.0", "seed": seed, "frames": (7, 3, 12, 5), "codec": "libsvtav1", "task_of": halves},
        **{"tasks": TASKS, "cameras": ("front",), "frames_per_video_file": 12, "frames_per_data_file": 12},
        **more,
    }


def digest(root: Path) -> dict[str, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def tools() -> Any:
    from lerobot.datasets import dataset_tools

    return dataset_tools


def resumed(both: Path) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset.resume("lecompose/test", root=both)
    for number in range(4):
        frame: dict[str, Any] = {"task": "wave"}
        for name, feature in dataset.features.items():
            if name == FRONT:
                frame[name] = np.full(feature["shape"], 40 * number, np.uint8)
            elif name not in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
                frame[name] = np.zeros(feature["shape"], feature["dtype"])
        dataset.add_frame(frame)
    dataset.save_episode()
    dataset.finalize()


CALLS: dict[str, Callable[[Any, Path], object]] = {
    "delete_episodes": lambda d, to: tools().delete_episodes(d, [1], output_dir=to),
    "split_dataset": lambda d, to: tools().split_dataset(d, {"a": [0, 1], "b": [2, 3]}, output_dir=to),
    "remove_feature": lambda d, to: tools().remove_feature(d, "observation.state", output_dir=to),
    "merge_datasets": lambda d, to: tools().merge_datasets([d, d], "me/twice", output_dir=to),
    "modify_tasks": lambda d, to: tools().modify_tasks(d, new_task="wave"),
    "recompute_stats": lambda d, to: tools().recompute_stats(d, skip_image_video=True),
    "resume": lambda d, to: resumed(d.root),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_dataset_whose_videos_are_linked_stays(call: str, recorded: Record, tmp_path: Path) -> None:
    source = shutil.copytree(recorded(**looks(1)), tmp_path / "source")
    before = digest(source)
    report = lecompose.merge(source, out=tmp_path / "both", link=True)
    assert report.bytes_linked == sum(path.stat().st_size for path in source.rglob("*.mp4"))
    assert_recorded(opened(tmp_path / "both"), moments(looks(1)))
    CALLS[call](opened(tmp_path / "both"), tmp_path / "to")
    assert digest(source) == before


def test_appended_and_edited_in_place(recorded: Record, tmp_path: Path) -> None:
    day = shutil.copytree(recorded(**looks(1)), tmp_path / "day")
    lecompose.append(day, [recorded(**looks(2)), recorded(**looks(3, version="v2.1"))])
    frames = moments(looks(1), looks(2), looks(3, version="v2.1"))
    assert_recorded(opened(day), frames)
    lecompose.delete(day, in_place=True, episodes="1,8")
    # LeRobot holds open decoders by the path of a file.
    day = day.rename(tmp_path / "later")
    left = [moment for n in range(12) if n not in (1, 8) for moment in episodes_of(frames, n)]
    assert_recorded(opened(day), left)
    deleted = tools().delete_episodes(opened(day), [0], output_dir=tmp_path / "fewer")
    assert_recorded(deleted, [moment for n in range(1, 10) for moment in episodes_of(left, n)])
