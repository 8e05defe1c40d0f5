"""LeRobot opens what the toy recorder writes: the ground that every other comparison stands on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recorder import read_barcode, value

pytestmark = pytest.mark.oracle


def opened(root: Path, **settings: Any) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("lecompose/test", root=root, **settings)


@pytest.mark.parametrize(
    ("codec", "backend"), [("libsvtav1", "torchcodec"), ("h264", "torchcodec"), ("hevc", "pyav")]
)
def test_every_item_is_what_was_recorded(codec: str, backend: str, make_dataset: Any) -> None:
    settings = {"codec": codec, "frames": (7, 3, 12, 5), "seed": 9, "tasks": ("pick", "place")}
    root = make_dataset(
        **settings, frames_per_data_file=14, frames_per_video_file=21, episodes_per_meta_file=3
    )
    dataset = opened(root, video_backend=backend)
    assert len(dataset) == 27
    for item in map(dataset.__getitem__, range(27)):
        episode, frame = int(item["episode_index"]), int(item["frame_index"])
        assert item["task"] == ("pick", "place")[episode % 2]
        assert np.array_equal(item["action"].numpy(), value("action", episode, frame, seed=9))
        for camera, key in enumerate(dataset.meta.video_keys):
            picture = item[key].numpy().transpose(1, 2, 0) * 255
            assert read_barcode(picture) == (9, episode, frame, camera)


def test_converts_what_was_recorded_as_v21(make_dataset: Any) -> None:
    from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset

    root = make_dataset(version="v2.1", tasks=("pick", "place"))
    convert_dataset(repo_id="lecompose/test", root=root, push_to_hub=False)
    dataset = opened(root)
    assert [dataset[index]["task"] for index in (0, 10, 29)] == ["pick", "place", "pick"]
    assert read_barcode(dataset[15][dataset.meta.video_keys[0]].numpy().transpose(1, 2, 0) * 255)[1:3] == (
        1,
        5,
    )
