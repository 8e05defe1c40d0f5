"""What `lecompose info` tells about a dataset."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lecompose.dataset.catalog import Catalog, open_catalog
from lecompose.dataset.summary import Camera, Column, Size, Task, summarise
from lecompose.engine import open_engine
from lecompose.errors import RequestError

Record = Callable[..., Path]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Catalog]:
    def open_all(*roots: Path) -> Catalog:
        return open_catalog(open_engine(scratch=tmp_path, threads=2), roots)

    return open_all


def test_summary_of_many_files(dataset_v30_many_files: Path, opened: Callable[..., Catalog]) -> None:
    root = dataset_v30_many_files
    found = summarise(opened(root))
    wrist = sorted((root / "videos/observation.images.wrist").rglob("*.mp4"))

    assert (found.root, found.version, found.robot_type, found.fps) == (root, "v3.0", "toy_arm", 30.0)
    assert (found.episodes, found.frames, found.seconds) == (8, 52, 52 / 30)
    assert found.tasks == (
        Task("pick the cup", 3, 7 + 12 + 4),
        Task("place the cup", 3, 10 + 1 + 6),
        Task("wave", 2, 3 + 9),
    )
    assert found.features[0] == Column("observation.state", "float32", (6,))
    assert [f.name for f in found.features[-5:]] == [
        "timestamp",
        "frame_index",
        "episode_index",
        "index",
        "task_index",
    ]
    assert found.cameras[1] == Camera(
        key="observation.images.wrist",
        codec="h264",
        pix_fmt="yuv420p",
        width=64,
        height=48,
        fps=30.0,
        files=len(wrist),
        size_bytes=sum(path.stat().st_size for path in wrist),
    )
    assert found.data == size_of(root / "data")
    assert found.video == size_of(root / "videos")
    assert found.meta == size_of(root / "meta")


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_summaries_of_all_versions_agree(
    recorded: Record, opened: Callable[..., Catalog], version: str
) -> None:
    found = summarise(opened(recorded(version=version)))
    assert (found.version, found.episodes, found.frames, found.seconds) == (version, 3, 30, 1.0)
    assert [(c.key, c.codec, c.width, c.height) for c in found.cameras] == [
        ("observation.images.front", "av1", 64, 48),
        ("observation.images.wrist", "av1", 64, 48),
    ]


def test_summary_without_cameras(recorded: Record, opened: Callable[..., Catalog]) -> None:
    found = summarise(opened(recorded(cameras=())))
    assert (found.cameras, found.video) == ((), Size(0, 0))


def test_a_frame_counts_for_its_own_task(recorded: Record, opened: Callable[..., Catalog]) -> None:
    root = recorded(cameras=(), tasks=("a", "b"), task_of=lambda _, frame: "a" if frame < 4 else "b")
    assert summarise(opened(root)).tasks == (Task("a", 3, 12), Task("b", 3, 18))


def test_an_unreadable_video_is_told_by_info_json(
    make_dataset: Record, opened: Callable[..., Catalog]
) -> None:
    root = make_dataset(cameras=("front",), codec="h264")
    (video,) = root.rglob("*.mp4")
    video.write_bytes(b"not a video")
    (camera,) = summarise(opened(root)).cameras
    assert (camera.codec, camera.width, camera.files, camera.size_bytes) == ("h264", None, 1, 11)


def test_a_summary_is_json(dataset_v30: Path, opened: Callable[..., Catalog]) -> None:
    found = summarise(opened(dataset_v30)).as_dict()
    assert json.loads(json.dumps(found))["cameras"][0]["key"] == "observation.images.front"
    assert found["root"] == str(dataset_v30)


def test_a_summary_is_of_one_dataset(
    dataset_v30: Path, dataset_v21: Path, opened: Callable[..., Catalog]
) -> None:
    with pytest.raises(RequestError, match="2 datasets"):
        summarise(opened(dataset_v30, dataset_v21))


def size_of(folder: Path) -> Size:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Size(len(sizes), sum(sizes))
