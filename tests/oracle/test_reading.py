"""LeRobot's own class, reading by our reader: the same items, attributes and errors, and no copy on disk."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.lerobot_reads import RECORDING, assert_recorded, in_far_chunks, moments, opened

import lecompose.lerobot as ours

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
Pair = Callable[..., tuple[Any, Any]]
SOME = {**RECORDING, "frames_per_video_file": 8, "frames_per_data_file": 9}
DELTAS = {"action": [0.0, 1 / 30], "observation.images.front": [-1 / 30, 0.0]}


@pytest.fixture
def pair(recorded: Record) -> Iterator[Pair]:
    """A function that opens a dataset twice: by our reader, and by LeRobot's."""

    def give(root: Path | None = None, **settings: Any) -> tuple[Any, Any]:
        root = root or recorded(**SOME)
        lerobots = opened(root, **settings)
        ours.install(reader=True)
        return opened(root, **settings), lerobots

    yield give
    ours.uninstall()


def assert_same(one: Any, other: Any) -> None:
    import torch

    assert list(one) == list(other)
    for key, value in other.items():
        same = torch.equal(one[key], value) if isinstance(value, torch.Tensor) else one[key] == value
        assert same, key


@pytest.mark.parametrize("episodes", [None, [2], [3, 1]])
def test_items_and_what_else_is_asked_of_it(pair: Pair, episodes: list[int] | None) -> None:
    dataset, lerobots = pair(episodes=episodes, delta_timestamps=DELTAS)
    assert type(dataset.reader).__module__ == "lecompose.lerobot.reader"
    assert type(lerobots.reader).__module__ == "lerobot.datasets.dataset_reader"
    for name in ("num_frames", "num_episodes", "episodes", "absolute_to_relative_idx", "fps", "features"):
        assert getattr(dataset, name) == getattr(lerobots, name)
    assert len(dataset) == len(lerobots)
    for number in range(len(lerobots)):
        assert_same(dataset[number], lerobots[number])
    for one, other in zip(dataset[1:4], lerobots[1:4], strict=True):
        assert_same(one, other)


def test_what_lerobot_holds_is_made_when_it_is_asked_for(pair: Pair) -> None:
    dataset, lerobots = pair(episodes=[1, 3])
    assert "_made" not in vars(dataset.reader._later)
    assert dataset.hf_dataset.data.column("index").to_pylist() == [7, 8, 9, *range(22, 27)]
    assert "_made" in vars(dataset.reader._later)
    assert_same(dataset.get_raw_item(2), lerobots.get_raw_item(2))
    assert len(dataset.hf_dataset) == 8
    assert dataset.select_columns("action").column_names == ["action"]


def test_transforms_that_are_set_later(pair: Pair) -> None:
    dataset, lerobots = pair()
    for each in (dataset, lerobots):
        each.set_image_transforms(lambda picture: picture[:, :4] * 2)
    assert_same(dataset[5], lerobots[5])
    for each in (dataset, lerobots):
        each.clear_image_transforms()
    assert_same(dataset[5], lerobots[5])


def test_workers_and_samplers(pair: Pair) -> None:
    from lerobot.datasets.sampler import EpisodeAwareSampler
    from torch.utils.data import DataLoader

    for each in (datasets := pair(episodes=[0, 2])):
        pickle.loads(pickle.dumps(each))
    found = []
    for each in datasets:
        spans = (each.meta.episodes[name] for name in ("dataset_from_index", "dataset_to_index"))
        positions = each.absolute_to_relative_idx
        sampler = EpisodeAwareSampler(*spans, [0, 2], 1, 1, True, 4, absolute_to_relative_idx=positions)
        workers: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": "spawn"}
        found.append(list(DataLoader(each, batch_size=5, sampler=sampler, **workers)))
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


def test_what_is_recorded_is_read_at_once(tmp_path: Path) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    ours.install(reader=True)
    try:
        spec = {"action": {"dtype": "float32", "shape": (2,), "names": None}}
        made = LeRobotDataset.create("a/b", 10, spec, root=tmp_path / "in", use_videos=False)
        for number in range(6):
            made.add_frame({"action": np.full(2, number, np.float32), "task": "t"})
            if number in (2, 5):
                made.save_episode()
        made.finalize()
        assert [made[n]["action"][0].item() for n in range(6)] == [0, 1, 2, 3, 4, 5]
        relabelled = ours.modify_tasks(made, new_task="other")
        assert relabelled[4]["task"] == "other"
    finally:
        ours.uninstall()


def test_chunks_beyond_the_thousandth(pair: Pair, recorded: Record, tmp_path: Path) -> None:
    root = in_far_chunks(recorded(cameras=(), episodes=2, frames=3), tmp_path / "in")
    dataset, lerobots = pair(root)
    assert [int(dataset[n]["index"]) for n in range(6)] == [*range(6)]
    assert int(lerobots[0]["index"]) == 3


def test_every_frame_of_hevc(pair: Pair, recorded: Record) -> None:
    settings = RECORDING | {"codec": "hevc", "frames": (40, 36), "gop": 12, "crf": 5}
    dataset, lerobots = pair(recorded(**settings))
    assert_recorded(dataset, moments(settings))
    with pytest.raises(ValueError, match="tolerance"):
        assert_recorded(lerobots, moments(settings))


def test_a_dataset_of_which_only_some_is_here_stays_lerobots(
    pair: Pair, recorded: Record, tmp_path: Path
) -> None:
    """As the Hub gives it to `episodes=`: all metadata, and some data and videos."""
    root = shutil.copytree(recorded(**SOME), tmp_path / "in")
    (root / "data/chunk-000/file-000.parquet").unlink()
    dataset, lerobots = pair(root, episodes=[3])
    for number in range(len(lerobots)):
        assert_same(dataset[number], lerobots[number])


def test_errors_are_as_lerobots(pair: Pair, recorded: Record, tmp_path: Path) -> None:
    root = shutil.copytree(recorded(**RECORDING), tmp_path / "in")
    dataset, _ = pair(root)
    with pytest.raises(IndexError):
        dataset[27]
    video = next((root / "videos/observation.images.wrist").rglob("*.mp4"))
    video.write_bytes(video.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"changed since it was opened.*file-000\.mp4"):
        dataset[3]


@pytest.mark.parametrize("episodes", [[1, 9], [-1], [9]])
def test_episodes_that_are_not_there(recorded: Record, episodes: list[int]) -> None:
    """An error in LeRobot 0.6.1, which looks for them on the Hub; its main branch leaves them out."""
    found = []
    for reader in (False, True):
        ours.install(reader=reader)
        try:
            found.append([int(item["index"]) for item in opened(recorded(**SOME), episodes=episodes)])
        except Exception as error:
            found.append(type(error))
        finally:
            ours.uninstall()
    assert found[0] == found[1]


def test_it_took_hold_and_says_nothing(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    from lerobot.datasets import lerobot_dataset

    dataset, _ = pair()
    assert lerobot_dataset.DatasetReader.__module__ == "lecompose.lerobot.reader"
    assert isinstance(dataset.reader, lerobot_dataset.DatasetReader)
    assert "lecompose" not in caplog.text


def test_what_did_not_take_hold_is_said(
    pair: Pair, recorded: Record, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that imported LeRobot's own before, and a reader that is made of the class in its home."""
    from lerobot.datasets import dataset_reader, merge_datasets

    script = ModuleType("script")
    vars(script)["merge"] = merge_datasets
    monkeypatch.setitem(sys.modules, "script", script)
    dataset, _ = pair()
    assert '"script.merge"' in caplog.text
    dataset_reader.DatasetReader(dataset.meta, dataset.root, None, 1e-4, None, None, None)
    assert "in spite of install(reader=True)" in caplog.text


def test_no_copy_of_the_data_on_disk(recorded: Record, tmp_path: Path) -> None:
    """What LeRobot itself makes of the episode list stays."""
    root = recorded(**SOME, image_features=("side",))
    meta = "import sys, lerobot.datasets as all; all.LeRobotDatasetMetadata('a/b', root=sys.argv[1])"
    items = (
        "import sys\nfrom lerobot.datasets.lerobot_dataset import LeRobotDataset\n"
        "dataset = LeRobotDataset('a/b', root=sys.argv[1])\nassert dataset[26] and dataset[0]\n"
    )
    ours_reads = ("-m", "lecompose.lerobot.installed")
    least = grown(meta, (), root, tmp_path / "meta")
    assert grown(items, ours_reads, root, tmp_path / "ours") == least
    assert grown(items, (), root, tmp_path / "lerobots") > least + 10_000


def grown(program: str, before: tuple[str, ...], root: Path, home: Path) -> int:
    """The bytes that lie in its home once a script has ended."""
    home.mkdir()
    script = home.with_suffix(".py")
    script.write_text(program)
    places = {"HF_HOME": str(home), "TMPDIR": str(home)}
    command = [sys.executable, "-W", "ignore", *before, str(script), str(root)]
    subprocess.run(command, env={**os.environ, **places}, check=True)
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
