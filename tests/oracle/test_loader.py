"""Items of `to_torch` are those of LeRobotDataset, key by key and bit by bit, and cost no disk."""

import os
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import typed
from support.lerobot_reads import RECORDING, TORCH, assert_recorded, in_far_chunks, kinds_of, moments

import lecompose
from lecompose.errors import MediaError, RequestError, SourceBroken, UnknownEpisode
from lecompose.training.file_stamps import stamp_files

pytestmark = pytest.mark.oracle

PICTURES = {**RECORDING, "cameras": ("front",), "image_features": ("side",), "frames_per_data_file": 9}
SOME = {**RECORDING, "frames_per_video_file": 8, "frames_per_data_file": 9}
AROUND = [-2 / 30, 0.0, 1 / 30]
DELTAS = {
    "none": None,
    "vectors": {"action": [n / 30 for n in range(16)], "observation.state": [0.0]},
    "pictures": {"observation.images.front": AROUND, "observation.images.wrist": [0.0]},
    "empty": {},
}


def theirs(root: Path, **settings: Any) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("lecompose/test", root=root, **settings)


def ours(root: Path | Iterable[Path], **settings: Any) -> Any:
    with lecompose.open(root) as opened:
        return opened.to_torch(**settings)


def merged(root: Path) -> Path:
    """The dataset as LeRobot would have written it."""
    lecompose.merge(root, out=root.with_name("merged"))
    return root.with_name("merged")


def assert_same(one: Any, other: Any, items: Iterable[tuple[int, int]]) -> None:
    """The items at each pair of positions are one, with the same keys in the same order."""
    for mine, lerobots in items:
        found, wanted = one[mine], other[lerobots]
        assert list(found) == list(wanted)
        for key in wanted:
            assert is_same(found[key], wanted[key]), (mine, key, found[key], wanted[key])


def is_same(one: Any, other: Any) -> bool:
    import torch

    if not isinstance(other, torch.Tensor):
        return type(one) is type(other) and one == other
    return one.dtype == other.dtype and torch.equal(one.nan_to_num(7.25), other.nan_to_num(7.25))


def in_any_order(count: int) -> list[tuple[int, int]]:
    order = list(range(count))
    random.Random(1).shuffle(order)
    return [(n, n) for n in order]


# Keys and values --------------------------------------------------------------------------------


@pytest.mark.parametrize("deltas", DELTAS)
@pytest.mark.parametrize(
    ("codec", "backend"), [("libsvtav1", None), ("h264", "torchcodec"), ("h264", "pyav")]
)
def test_of_videos(recorded: Callable[..., Path], codec: str, backend: str | None, deltas: str) -> None:
    root = recorded(**SOME | {"codec": codec})
    settings = {"delta_timestamps": DELTAS[deltas], "video_backend": backend}
    lerobot = theirs(root, **settings)
    dataset = ours(root, **settings)
    assert len(dataset) == len(lerobot) == 27
    assert_same(dataset, lerobot, in_any_order(len(lerobot)))


@pytest.mark.parametrize(
    "settings",
    [
        {"return_uint8": True},
        {"image_transforms": lambda picture: picture * 2},
        {"delta_timestamps": {"observation.images.side": AROUND, "observation.images.front": AROUND}},
    ],
    ids=["uint8", "transforms", "deltas"],
)
def test_of_pictures(recorded: Callable[..., Path], settings: dict[str, Any]) -> None:
    root = recorded(**PICTURES)
    assert_same(ours(root, **settings), theirs(root, **settings), in_any_order(27))


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_of_every_type(tmp_path: Path, unit: str) -> None:
    kinds = kinds_of(TORCH) | {"observation.images.far": typed.metres((4, 6))}
    root = merged(typed.write(tmp_path / "in", kinds, lengths=[3, 4, 2], tasks=("pick", "place")))
    around = {name: [-0.1, 0.0, 0.2] for name in kinds if name not in ("text", "nothing")}
    for deltas in (None, around):
        settings = {"depth_output_unit": unit, "delta_timestamps": deltas}
        assert_same(ours(root, **settings), theirs(root, **settings), in_any_order(9))


def test_of_numbers_of_all_magnitudes(tmp_path: Path) -> None:
    kinds = {dtype: typed.vector(dtype, 5, fixed=True) for dtype in ("float32", "float64", "int64", "uint8")}
    root = merged(typed.write(tmp_path / "in", kinds, lengths=[3, 4, 2]))
    assert_same(ours(root), theirs(root), in_any_order(9))


@pytest.mark.parametrize("form", ["inferred", "json"])
def test_of_language(tmp_path: Path, form: str) -> None:
    names = ("language_persistent", "language_events")
    root = merged(typed.write(tmp_path / "in", {name: typed.language(name, form) for name in names}))
    assert_same(ours(root), theirs(root), in_any_order(9))


@pytest.mark.parametrize("unit", ["m", "mm"])
@pytest.mark.parametrize("log", [True, False])
def test_of_depth_videos(tmp_path: Path, unit: str, log: bool) -> None:
    root = depth_recording(tmp_path / "in", log)
    settings = {"depth_output_unit": unit, "delta_timestamps": {"observation.images.depth": [0.0, 0.1]}}
    assert_same(ours(root, **settings), theirs(root, **settings), in_any_order(12))


def depth_recording(root: Path, log: bool) -> Path:
    from lerobot.configs import DepthEncoderConfig
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    name, rng = "observation.images.depth", np.random.default_rng(0)
    names = ["height", "width", "channels"]
    spec = {"dtype": "video", "shape": (64, 96, 1), "names": names, "info": {"is_depth_map": True}}
    encoder = DepthEncoderConfig(use_log=log, depth_max=4.0)
    made = LeRobotDataset.create(
        "test/depth", fps=10, features={name: spec}, root=root, depth_encoder=encoder
    )
    for _ in range(2):
        for _ in range(6):
            made.add_frame({name: rng.integers(20, 3900, (64, 96, 1)).astype(np.uint16), "task": "look"})
        made.save_episode()
    made.finalize()
    return root


# Which frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("episodes", [[3, 1], [2], [0, 2, 3]])
def test_episodes_in_the_order_asked_for(recorded: Callable[..., Path], episodes: list[int]) -> None:
    root = recorded(**SOME)
    lengths = RECORDING["frames"]
    starts = np.cumsum([0, *lengths])
    frames = [int(starts[e]) + frame for e in episodes for frame in range(lengths[e])]
    settings = {"delta_timestamps": {"action": AROUND, "observation.images.front": AROUND}}
    dataset = ours(root, episodes=episodes, **settings)
    assert (len(dataset), dataset.num_episodes, dataset.episodes) == (len(frames), len(episodes), episodes)
    assert_same(dataset, theirs(root, **settings), enumerate(frames))
    if episodes == sorted(episodes):
        lerobot = theirs(root, episodes=episodes, **settings)
        assert_same(dataset, lerobot, in_any_order(len(frames)))


def test_positions(recorded: Callable[..., Path]) -> None:
    dataset = ours(recorded(**SOME))
    assert is_same(dataset[-1]["index"], dataset[26]["index"])
    assert int(dataset[np.int64(3)]["index"]) == 3
    for beyond in (27, -28):
        with pytest.raises(IndexError):
            dataset[beyond]
    assert sum(1 for _ in dataset) == 27


@pytest.mark.parametrize("codec", ["hevc", "h264"])
def test_every_frame_of_long_groups_in_any_order(recorded: Callable[..., Path], codec: str) -> None:
    """LeRobot's default decoder misses frames of HEVC, and says so."""
    settings = RECORDING | {"codec": codec, "frames": (40, 36), "gop": 12, "crf": 5}
    dataset = ours(recorded(**settings), return_uint8=True)
    assert_recorded(Shown(dataset), moments(settings))


class Shown:
    """What `assert_recorded` needs of LeRobot's class."""

    def __init__(self, dataset: Any) -> None:
        self.dataset, self.meta, self.fps = dataset, self, dataset.fps
        self.video_keys, self.image_keys = dataset.camera_keys, []

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Any:
        return self.dataset[number]


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_older_versions_read_as_if_converted(
    recorded: Callable[..., Path], tmp_path: Path, version: str
) -> None:
    root = recorded(**RECORDING, version=version)
    lecompose.merge(root, out=tmp_path / "out")
    settings = {"delta_timestamps": {"action": AROUND, "observation.images.front": AROUND}}
    assert_same(ours(root, **settings), theirs(tmp_path / "out", **settings), in_any_order(27))


def test_chunks_beyond_the_thousandth(recorded: Callable[..., Path], tmp_path: Path) -> None:
    """LeRobot's reader sorts chunk-1000 before chunk-999."""
    root = in_far_chunks(recorded(cameras=(), episodes=2, frames=3), tmp_path / "in")
    assert [int(item["index"]) for item in ours(root)] == [*range(6)]
    assert int(theirs(root)[0]["index"]) == 3


def test_several_datasets_at_once(recorded: Callable[..., Path]) -> None:
    roots = [
        recorded(**SOME),
        recorded(**RECORDING | {"seed": 9, "frames": (4, 6), "tasks": ("wave", "bow")}),
    ]
    names = [root.name for root in roots]
    dataset = ours(roots)
    assert dataset.episodes == [*((names[0], n) for n in range(4)), (names[1], 0), (names[1], 1)]
    some = ours(roots, episodes=[(names[1], 1), (names[0], 2)])
    spans = {key: held.tolist() for key, held in some.episode_data_index.items()}
    assert spans == {"from": [0, 6], "to": [6, 18]}
    for found, first, source, start, count in (
        (dataset, 0, 0, 0, 27),
        (dataset, 27, 1, 0, 10),
        (some, 0, 1, 4, 6),
    ):
        lerobots = theirs(roots[source])
        for n in range(count):
            item = dict(found[first + n])
            assert int(item.pop("dataset_index")) == source
            assert_same([item], lerobots, [(0, start + n)])


# How it is used ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_give_the_same_batches(recorded: Callable[..., Path], start: str) -> None:
    from torch.utils.data import DataLoader

    settings: dict[str, Any] = {"delta_timestamps": {"action": AROUND}}
    dataset, lerobot = (give(recorded(**SOME), **settings) for give in (ours, theirs))
    dataset[3]  # opens files here, which workers must not share
    workers: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": start, "persistent_workers": True}
    loader = DataLoader(dataset, batch_size=4, **workers)
    alone = DataLoader(lerobot, batch_size=4)
    for _ in range(2):
        for found, wanted in zip(loader, alone, strict=True):
            assert found.keys() == wanted.keys()
            assert all(is_same(found[key], wanted[key]) for key in wanted)


def test_it_needs_its_datasets_no_longer(recorded: Callable[..., Path]) -> None:
    dataset = ours(recorded(**SOME))
    again = pickle.loads(pickle.dumps(dataset))
    assert_same(again, dataset, in_any_order(27))
    assert again.features.keys() == {*dataset[0]} - {"task"}
    assert (again.fps, again.camera_keys) == (30, ["observation.images.front", "observation.images.wrist"])


def test_cameras_that_are_not_asked_for_are_not_opened(recorded: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(recorded(**RECORDING), tmp_path / "in")
    shutil.rmtree(root / "videos/observation.images.wrist")
    dataset = ours(root, features=["action", "observation.images.front"])
    always = {"timestamp", "frame_index", "episode_index", "index", "task_index", "task"}
    assert dataset[5].keys() == {"action", "observation.images.front"} | always


@pytest.mark.parametrize("cache", ["1MB", "256MB"])
def test_row_groups_larger_than_the_cache(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    from lecompose.training import read_rows

    monkeypatch.setattr(read_rows, "_PART_BYTES", 2**16)
    root = shutil.copytree(recorded(cameras=(), episodes=40, frames=100, state_dim=200), tmp_path / "in")
    for path in root.glob("data/*/*.parquet"):
        pq.write_table(pq.read_table(path), path, row_group_size=10**6)
    dataset = ours(root, cache=cache)
    assert_same(dataset, theirs(root), in_any_order(4000)[:200])


def test_nothing_is_written(recorded: Callable[..., Path], tmp_path: Path) -> None:
    """LeRobot keeps a second copy of all data under $HF_HOME."""
    root = recorded(**PICTURES)
    look = (
        "import sys, lecompose\n"
        "dataset = lecompose.open(sys.argv[1]).to_torch()\n"
        "print(len([dataset[n] for n in range(len(dataset))]))"
    )
    lerobots = (
        "import sys\nfrom lerobot.datasets.lerobot_dataset import LeRobotDataset\n"
        "dataset = LeRobotDataset('a/b', root=sys.argv[1])\n"
        "print(len([dataset[n] for n in range(len(dataset))]))"
    )
    assert grown(look, root, tmp_path / "ours") == 0
    assert grown(lerobots, root, tmp_path / "lerobots") > 10_000


def grown(program: str, root: Path, home: Path) -> int:
    """The bytes that are in its homes once a program that reads all 27 items has ended."""
    home.mkdir()
    places = {name: str(home) for name in ("HF_HOME", "XDG_CACHE_HOME", "TMPDIR", "HOME")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, root],
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["27"], done.stderr
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


# What cannot be read ----------------------------------------------------------------------------


def test_what_is_not_there_is_said_at_once(recorded: Callable[..., Path]) -> None:
    root = recorded(**SOME)
    for settings, error, told in (
        ({"episodes": [1, 9]}, UnknownEpisode, "no episode 9"),
        ({"features": ["acton"]}, RequestError, 'no feature "acton".*action'),
        ({"features": "action"}, RequestError, r'Try: \["action"\]'),
        ({"delta_timestamps": {"acton": [0.0]}}, RequestError, 'no feature "acton".*action'),
        ({"delta_timestamps": {"action": [float("nan")]}}, RequestError, '"action": seconds are needed'),
        ({"tolerance_s": 0}, RequestError, "above 0"),
        ({"image_transforms": 3}, RequestError, "a function"),
        ({"delta_timestamps": {"action": [0.01]}}, RequestError, "0.01 s lies between two frames at 30 fps"),
        ({"delta_timestamps": {"action": []}}, RequestError, '"action": seconds are needed'),
        ({"video_backend": "vlc"}, RequestError, "torchcodec, pyav"),
        ({"depth_output_unit": "ft"}, RequestError, "mm, m"),
        ({"cache": "much"}, RequestError, "cache"),
    ):
        with pytest.raises(error, match=told):
            ours(root, **settings)


def test_damage_is_said_with_its_place(recorded: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(recorded(**RECORDING), tmp_path / "in")
    video = next((root / "videos/observation.images.wrist").rglob("*.mp4"))
    dataset = ours(root)
    video.write_bytes(video.read_bytes()[:1000])
    with pytest.raises(SourceBroken, match=r"changed since it was opened.*file-000\.mp4"):
        dataset[3]
    with pytest.raises(MediaError, match=r"file-000\.mp4"):
        ours(root)[3]
    video.unlink()
    with pytest.raises(SourceBroken, match=r"(?s)files are missing.*file-000\.mp4"):
        ours(root)


def test_rows_that_are_others_now(recorded: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(recorded(**RECORDING | {"cameras": ()}), tmp_path / "in")
    dataset = ours(root)
    lecompose.edit_tasks(root, in_place=True, episodes={0: "bow"})
    with pytest.raises(SourceBroken, match=r"changed since it was opened.*file-000\.parquet"):
        dataset[3]
    assert ours(root)[3]["task"] == "bow"


def test_a_time_without_a_frame(recorded: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(recorded(**RECORDING), tmp_path / "in")
    listed = root / "meta/episodes/chunk-000/file-000.parquet"
    episodes = pq.read_table(listed)
    name = "videos/observation.images.front/from_timestamp"
    place = episodes.schema.get_field_index(name)
    moved = pc.add(episodes[name], 0.01)
    pq.write_table(episodes.set_column(place, name, moved), listed)
    with pytest.raises(MediaError, match=r"no frame within 0.0001 s of 0.0433 s"):
        ours(root)[1]


def test_a_time_as_far_as_the_tolerance_is_within_it(recorded: Callable[..., Path]) -> None:
    """As in LeRobot's main branch; its 0.6.1 raises."""
    from lecompose.training.videos import PyAVDecoder

    path = next((recorded(**SOME) / "videos/observation.images.front").rglob("*.mp4"))
    tolerance = 1 / 8
    find = PyAVDecoder(tolerance, stamp_files([str(path)]))._find_frames
    assert find(path, np.array([0.0, 1.0]), [0.125, 0.875]).tolist() == [0, 1]
    with pytest.raises(MediaError, match=r"no frame within 0.125 s of 0.2500 s"):
        find(path, np.array([0.0, 1.0]), [0.25])


def test_counted_columns_outlive_the_open_dataset(make_dataset: Callable[..., Path]) -> None:
    """`ours` closes what it opened; the files with the counted columns are temporary."""
    root = make_dataset(**RECORDING)
    sound = make_dataset("sound", **RECORDING)
    for path in root.glob("data/*/*.parquet"):
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["frame_index"]), path)
    items = ours(root)
    folder = items._holds.path
    assert_same(items, ours(sound), [(n, n) for n in (0, 3, len(items) - 1)])
    assert pickle.loads(pickle.dumps(items))._holds is None
    del items
    assert not folder.exists()
