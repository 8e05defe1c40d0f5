"""LeRobot reads what trim, cut and drop-frames write: the source's frames, at numbers and times from 0."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.independent import read
from support.lerobot_reads import RECORDING, halves, mark_of, opened

import lecompose
from recorder import value

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]


def assert_pieces(dataset: Any, pieces: list[tuple[int, int, int]]) -> None:
    """Every item is the frame of the piece that belongs there; visited in random order."""
    expected = [(e, frame, frame - start) for e, start, end in pieces for frame in range(start, end)]
    assert_items(dataset, expected)


def assert_items(dataset: Any, expected: list[tuple[int, int, int]]) -> None:
    """Every item is the frame (episode, frame of the source, number) that belongs there."""
    assert len(dataset) == len(expected)
    order = list(range(len(expected)))
    random.Random(5).shuffle(order)
    for index in order:
        item, (episode, frame, number) = dataset[index], expected[index]
        assert (int(item["index"]), int(item["frame_index"])) == (index, number)
        assert item["task"] == halves(episode, frame)
        assert item["timestamp"] == np.float32(number / dataset.fps)
        for name in ("observation.state", "action"):
            assert np.array_equal(item[name].numpy(), value(name, episode, frame, seed=3))
        for camera, key in enumerate(dataset.meta.video_keys):
            assert mark_of(item[key]) == (3, episode, frame, camera)


BACKENDS = ("torchcodec", "pyav")


@pytest.mark.parametrize("codec", ["h264", "libsvtav1"])
@pytest.mark.parametrize("gop", [2, 30])
def test_pieces_of_a_recording(codec: str, gop: int, recorded: Record, tmp_path: Path) -> None:
    root = recorded(**RECORDING | {"codec": codec, "gop": gop})
    frames = {0: "1:7", 2: "4:9,0:3,8:12,4:9"}
    lecompose.cut(root, out=tmp_path / "out", frames=frames)
    pieces = [(0, 1, 7), (1, 0, 3), (2, 4, 9), (2, 0, 3), (2, 8, 12), (2, 4, 9), (3, 0, 5)]
    for backend in BACKENDS:
        assert_pieces(opened(tmp_path / "out", video_backend=backend), pieces)


@pytest.mark.parametrize("codec", ["h264", "libsvtav1"])
@pytest.mark.parametrize("gop", [2, 30])
def test_joined_pieces_of_a_recording(codec: str, gop: int, recorded: Record, tmp_path: Path) -> None:
    root = recorded(**RECORDING | {"codec": codec, "gop": gop})
    where = "frame_index = 2 or (src_episode = 2 and frame_index in (5, 6))"
    lecompose.drop_frames(root, out=tmp_path / "out", where=where, join=True)
    lengths = [len(e) for e in read(root).episodes]
    kept = [
        [(e, f) for f in range(n) if not (f == 2 or (e == 2 and f in (5, 6)))] for e, n in enumerate(lengths)
    ]
    expected = [(e, f, number) for episode in kept for number, (e, f) in enumerate(episode)]
    for backend in BACKENDS:
        assert_items(opened(tmp_path / "out", video_backend=backend), expected)


def test_a_trimmed_real_recording_shows_the_same_pictures(real: Path, tmp_path: Path) -> None:
    """Trimmed where nothing moves yet, or any more: LeRobot shows the pictures of before, renumbered."""
    root = tmp_path / "whole"
    lecompose.merge(real / "g1_pick_a", out=root)
    moves = "list_sum(list_transform(list_zip(action, lag_action), lambda p: abs(p[1] - p[2]))) > 0.02"
    report = lecompose.trim(root, out=tmp_path / "out", where_frames=moves)
    origin = lecompose.query(
        tmp_path / "out",
        "select src_episode, from_episode, from_frame, to_frame from lineage where step = 0 order by 1",
    ).to_pylist()
    assert any(row["from_frame"] > 0 for row in origin)
    before, after = opened(root), opened(tmp_path / "out")
    starts = [int(row["dataset_from_index"]) for row in before.meta.episodes]
    begins = [int(row["dataset_from_index"]) for row in after.meta.episodes]
    reencoded = {(clip.episode, clip.camera) for clip in report.reencoded}
    for row in origin[:3]:
        number = row["src_episode"]
        length = row["to_frame"] - row["from_frame"]
        for frame in {0, 1, length // 2, length - 1}:
            ours = after[begins[number] + frame]
            theirs = before[starts[row["from_episode"]] + row["from_frame"] + frame]
            assert int(ours["frame_index"]) == frame
            assert np.array_equal(ours["action"].numpy(), theirs["action"].numpy())
            for key in after.meta.video_keys:
                off = np.abs(ours[key].numpy().astype(int) - theirs[key].numpy().astype(int))
                assert off.max() == 0 or ((number, key) in reencoded and off.mean() < 3)
