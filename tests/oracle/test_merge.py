"""LeRobot judges what `merge` writes: it loads, trains on, edits and goes on recording it."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.independent import episode_rows, read, table
from support.lerobot_reads import (
    CODECS,
    TASKS,
    Moment,
    assert_recorded,
    episodes_of,
    halves,
    mark_of,
    moments,
    opened,
    pictures,
    without_seeking,
)

import lecompose
from recorder import Barcode, picture, value

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
CAMERA = "observation.images.cam_high"  # of the real recordings
FRONT = "observation.images.front"  # of the toy recorder
TINY = {"data_mb": 0.001, "video_mb": 0.002, "chunk_files": 2}
BACKENDS = ("torchcodec", "pyav")


def assert_exact_times(root: Path) -> None:
    """Each clip begins where the one before it ended: the nearest double to frames / fps, no drift."""
    made = read(root)
    filled: Counter[tuple[Any, ...]] = Counter()
    for row in episode_rows(root):
        for key in made.cameras:
            place = (key, row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"])
            assert row[f"videos/{key}/from_timestamp"] == filled[place] / made.info["fps"]
            filled[place] += row["length"]
            assert row[f"videos/{key}/to_timestamp"] == filled[place] / made.info["fps"]


def merged(recorded: Record, recordings: Iterable[dict[str, Any]], out: Path, **options: Any) -> Path:
    lecompose.merge([recorded(**settings) for settings in recordings], out=out, **options)
    return out


# Real recordings ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def g1(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A merge of real recordings, and the episodes that it was made of."""
    sources = [real / "g1_pick_a", real / "g1_pick_b"]
    out = tmp_path_factory.mktemp("real") / "g1"
    lecompose.merge(sources, out=out)
    return out, [episode for source in sources for episode in read(source).episodes]


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_frame_of_real_recordings(backend: str, g1: tuple[Path, list[Any]]) -> None:
    root, episodes = g1
    dataset = opened(root, video_backend=backend)
    assert (dataset.num_episodes, len(dataset)) == (len(episodes), sum(map(len, episodes))) == (9, 3130)
    assert list(dataset.meta.tasks.index) == ["Pick up the yellow bottle on the table."]
    names = ("observation.state", "action", "timestamp")
    items = map(dataset.__getitem__, range(len(dataset)))
    for number, episode in enumerate(episodes):
        columns = [np.float32(episode.rows[name].to_pylist()) for name in names]
        shown = pictures(episode.clips[CAMERA][0], backend)
        for *recorded, task, seen in zip(*columns, episode.tasks, shown, strict=True):
            item = next(items)
            assert (int(item["episode_index"]), item["task"]) == (number, task)
            for name, expected in zip(names, recorded, strict=True):
                assert np.array_equal(item[name].numpy(), expected)
            assert np.array_equal(item[CAMERA].numpy(), seen)
    assert next(items, None) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_windows_end_at_the_borders_of_real_episodes(backend: str, g1: tuple[Path, list[Any]]) -> None:
    root, episodes = g1
    steps = {"observation.state": (-40, -1, 0), "action": tuple(range(16)), CAMERA: (-2, -1, 0, 3)}
    dataset = opened(root, video_backend=backend, delta_timestamps=in_seconds(steps, fps=30))
    start = 0
    for episode in episodes:
        length = len(episode)
        near = {*range(5), *range(length - 5, length)}
        shown = enumerate(pictures(episode.clips[CAMERA][0], backend))
        sources = {
            name: np.float32(episode.rows[name].to_pylist()) for name in ("observation.state", "action")
        }
        sources[CAMERA] = {frame: seen for frame, seen in shown if frame in near}
        for frame in (0, 1, length - 2, length - 1):
            item = dataset[start + frame]
            for name, offsets in steps.items():
                inside, outside = window(frame, offsets, length)
                assert item[f"{name}_is_pad"].tolist() == outside
                assert np.array_equal(item[name].numpy(), np.stack([sources[name][n] for n in inside]))
        start += length


def in_seconds(steps: dict[str, tuple[int, ...]], *, fps: int) -> dict[str, list[float]]:
    return {name: [step / fps for step in offsets] for name, offsets in steps.items()}


def window(frame: int, offsets: Iterable[int], length: int) -> tuple[list[int], list[bool]]:
    """The frames that a window shows, kept inside the episode, and which of them are padding."""
    wanted = [frame + offset for offset in offsets]
    return [min(max(n, 0), length - 1) for n in wanted], [not 0 <= n < length for n in wanted]


# What the toy recorder made -----------------------------------------------------------------------


def test_windows_over_cameras_and_image_columns(recorded: Record, tmp_path: Path) -> None:
    looks = {"codec": "h264", "cameras": ("front",), "image_features": ("hand",), "tasks": TASKS}
    recordings = [
        {"version": "v2.1", "seed": 1, "frames": (5, 1, 9), **looks},
        {"version": "v3.0", "seed": 2, "frames": (2, 6), **looks},
    ]
    out = merged(recorded, recordings, tmp_path / "out", **TINY)
    cameras = (FRONT, "observation.images.hand")
    steps = {"action": (-3, 0, 4), **dict.fromkeys(cameras, (-2, 0, 1, 3))}
    dataset = opened(out, delta_timestamps=in_seconds(steps, fps=30))
    lengths = [length for settings in recordings for length in settings["frames"]]
    for index, moment in enumerate(moments(*recordings)):
        item = dataset[index]
        length = lengths[int(item["episode_index"])]
        for name, offsets in steps.items():
            inside, outside = window(moment.frame, offsets, length)
            assert item[f"{name}_is_pad"].tolist() == outside
            if name == "action":
                rows = [value("action", moment.episode, frame, seed=moment.seed) for frame in inside]
                assert np.array_equal(item[name].numpy(), np.stack(rows))
            else:
                marks = [mark_of(image) for image in item[name]]
                number = cameras.index(name)
                assert marks == [(moment.seed, moment.episode, frame, number) for frame in inside]


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
@pytest.mark.parametrize("limits", [{}, TINY], ids=["one file", "many files"])
@pytest.mark.parametrize(("codec", "backend"), CODECS)
def test_every_item_of_mixed_versions(
    codec: str,
    backend: str,
    limits: dict[str, Any],
    row_groups: str,
    recorded: Record,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recordings = [
        {"version": "v2.1", "seed": 1, "frames": (7, 3, 12), "codec": codec, "tasks": TASKS[1:]},
        {"version": "v3.0", "seed": 2, "frames": (5, 9, 4, 3), "codec": codec, "task_of": halves,
         "frames_per_data_file": 10, "frames_per_video_file": 14, "episodes_per_meta_file": 3},
        {"version": "v2.0", "seed": 3, "frames": (4, 8), "codec": codec, "tasks": TASKS},
    ]  # fmt: skip
    out = merged(recorded, recordings, tmp_path / "out", row_groups=row_groups, **limits)
    several = {folder: len(list(out.glob(f"{folder}/**/file-*"))) for folder in ("data", "videos", "meta")}
    assert not limits or min(several.values()) > 2, several
    assert_exact_times(out)
    if codec == "hevc":
        without_seeking(monkeypatch)
    assert_recorded(opened(out, video_backend=backend), moments(*recordings))


def test_hevc_seeks_miss_what_they_miss_in_lerobots_own_merge(recorded: Record, tmp_path: Path) -> None:
    from lerobot.datasets.dataset_tools import merge_datasets
    from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset

    lengths = {1: (7, 3, 12), 2: (5, 9, 4, 3), 3: (4, 8)}
    for seed, frames in lengths.items():
        source = recorded(version="v2.1", seed=seed, frames=frames, codec="hevc")
        convert_dataset(
            repo_id="lecompose/test",
            root=shutil.copytree(source, tmp_path / f"{seed}"),
            push_to_hub=False,
        )
    sources = [tmp_path / f"{seed}" for seed in lengths]
    lecompose.merge(sources, out=tmp_path / "ours")
    merge_datasets(
        list(map(opened, sources)), output_repo_id="lecompose/theirs", output_dir=tmp_path / "theirs"
    )
    missed = missed_frames(tmp_path / "ours")
    assert missed == missed_frames(tmp_path / "theirs")
    assert len(missed) < 3


def missed_frames(root: Path) -> list[int]:
    """The items that LeRobot cannot find by seeking."""
    from lerobot.datasets.video_utils import FrameTimestampError

    dataset, missed = opened(root, video_backend="pyav"), []
    for index in range(len(dataset)):
        try:
            dataset[index]
        except FrameTimestampError:
            missed.append(index)
    return missed


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_every_item_with_images_in_the_data(row_groups: str, recorded: Record, tmp_path: Path) -> None:
    looks = {"codec": "h264", "image_features": ("hand", "base"), "cameras": ("front",)}
    recordings = [
        {"version": "v3.0", "seed": 4, "frames": (6, 2), "task_of": halves, **looks},
        {"version": "v2.1", "seed": 5, "frames": (3, 8), "tasks": TASKS, **looks},
    ]
    out = merged(recorded, recordings, tmp_path / "out", row_groups=row_groups, **TINY)
    assert_recorded(opened(out), moments(*recordings))


def test_codecs_that_do_not_mix_lie_in_files_of_their_own(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = [
        {"seed": seed, "frames": (4, 3), "codec": codec, "gop": 1 + seed, "tasks": TASKS}
        for seed, codec in enumerate(("h264", "libsvtav1", "hevc", "h264", "libsvtav1"))
    ]
    out = merged(recorded, recordings, tmp_path / "out")
    assert len(list(out.glob("videos/observation.images.front/*/*.mp4"))) == 5
    without_seeking(monkeypatch)
    assert_recorded(opened(out, video_backend="pyav"), moments(*recordings))


@pytest.mark.parametrize(("codec", "backend"), CODECS)
def test_a_merge_of_a_merge(
    codec: str, backend: str, recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = [
        {"version": version, "seed": seed, "frames": (3 + seed, 9, 4), "codec": codec, "tasks": TASKS[seed:]}
        for seed, version in enumerate(("v2.1", "v3.0", "v2.0"))
    ]
    merged(recorded, recordings[:2], tmp_path / "two", **TINY)
    sources = [recorded(**recordings[2]), tmp_path / "two", tmp_path / "two"]
    lecompose.merge(sources, out=tmp_path / "three")
    assert_exact_times(tmp_path / "three")
    a, b, third = recordings
    if codec == "hevc":
        without_seeking(monkeypatch)
    assert_recorded(opened(tmp_path / "three", video_backend=backend), moments(third, a, b, a, b))


@pytest.mark.parametrize("limits", [{}, TINY], ids=["one file", "many files"])
def test_fifty_small_datasets(limits: dict[str, Any], recorded: Record, tmp_path: Path) -> None:
    recordings = [
        {
            "version": ("v3.0", "v2.1")[seed % 2],
            "seed": seed,
            "frames": (3 + seed % 5, 7),
            "codec": "h264",
            "cameras": ("front",),
            "fps": 50,
            "tasks": (f"task {seed * 7 % 20}", "rest"),
        }
        for seed in range(50)
    ]
    out = merged(recorded, recordings, tmp_path / "out", **limits)
    dataset = opened(out)
    assert sorted(dataset.meta.tasks["task_index"]) == list(range(21))
    assert_exact_times(out)
    assert_recorded(dataset, moments(*recordings))


# LeRobot goes on with what we wrote ---------------------------------------------------------------

MORE: dict[str, Any] = {"codec": "h264", "cameras": ("front",)}
PARTS: list[dict[str, Any]] = [
    {"version": "v2.1", "seed": 1, "frames": (6, 3, 9, 5), "tasks": TASKS[1:], **MORE},
    {
        "version": "v3.0",
        "seed": 2,
        "frames": (4, 8, 3, 7),
        "tasks": TASKS,
        "episodes_per_meta_file": 2,
        **MORE,
    },
]


@pytest.fixture
def many_files(recorded: Record, tmp_path: Path) -> Path:
    """A merged dataset with several files of each kind, of 8 episodes."""
    out = merged(recorded, PARTS, tmp_path / "out", **TINY)
    assert len(list(out.glob("meta/episodes/*/*.parquet"))) > 2
    return out


def test_lerobot_deletes_episodes(many_files: Path, tmp_path: Path) -> None:
    from lerobot.datasets.dataset_tools import delete_episodes

    settings = {"output_dir": tmp_path / "deleted", "repo_id": "lecompose/deleted"}
    delete_episodes(opened(many_files), [1, 4, 7], **settings)
    kept = episodes_of(moments(*PARTS), 0, 2, 3, 5, 6)
    assert_recorded(opened(tmp_path / "deleted"), kept)


def test_lerobot_splits(many_files: Path, tmp_path: Path) -> None:
    from lerobot.datasets.dataset_tools import split_dataset

    parts = {"train": [0, 1, 2, 5, 7], "test": [3, 4, 6]}
    split_dataset(opened(many_files), parts, output_dir=tmp_path / "split")
    for name, numbers in parts.items():
        root = next(path.parent.parent for path in tmp_path.glob(f"split/**/*{name}/meta/info.json"))
        assert_recorded(opened(root), episodes_of(moments(*PARTS), *numbers))


@pytest.mark.parametrize("codec", ["libsvtav1", "h264"])
@pytest.mark.parametrize("ours", [0, 1], ids=["ours first", "ours second"])
def test_lerobot_merges_it_on(ours: int, codec: str, recorded: Record, tmp_path: Path) -> None:
    from lerobot.datasets.dataset_tools import merge_datasets

    one, other = {**PARTS[0], "codec": codec}, {**PARTS[1], "codec": codec}
    made = opened(merged(recorded, [one, other], tmp_path / "out", **TINY))
    both = [opened(recorded(**other))]
    both.insert(ours, made)
    merge_datasets(both, output_repo_id="lecompose/both", output_dir=tmp_path / "both")
    assert_recorded(opened(tmp_path / "both"), moments(*((one, other, other), (other, one, other))[ours]))


@pytest.mark.parametrize("limits", [{}, TINY], ids=["one file", "many files"])
def test_lerobot_records_on(limits: dict[str, Any], recorded: Record, tmp_path: Path) -> None:
    # Not of v2.1: pictures have no quantiles there, LeRobot's recorder adds them, and then its loader
    # refuses meta/episodes files of unlike columns, those of its own converter included.
    parts = [PARTS[1], {**PARTS[1], "seed": 3, "frames": (5, 5)}]
    out = merged(recorded, parts, tmp_path / "out", **limits)
    there = {
        path: path.read_bytes() for folder in ("data", "videos") for path in out.glob(f"{folder}/**/file-*")
    }
    added: dict[str, Any] = {"seed": 9, "frames": (5, 4), "tasks": ("rest", TASKS[0])}
    record_on(out, moments(added))
    assert all(path.read_bytes() == before for path, before in there.items()), "a file was written over"
    assert_recorded(opened(out), moments(*parts, added))

    # A resumed recording has several meta/episodes files, and LeRobot's own merge points past them.
    lecompose.merge([out, recorded(**parts[0])], out=tmp_path / "again")
    assert_exact_times(tmp_path / "again")
    assert_recorded(opened(tmp_path / "again"), moments(*parts, added, parts[0]))


def record_on(root: Path, frames: list[Moment]) -> None:
    """LeRobot's own recorder appends these frames, an episode at each frame 0."""
    from lerobot.configs import RGBEncoderConfig
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    encoder = RGBEncoderConfig(vcodec="h264", g=2, crf=30)
    dataset = LeRobotDataset.resume("lecompose/test", root=root, rgb_encoder=encoder)
    for number, (seed, episode, frame, task) in enumerate(frames):
        if frame == 0 and number:
            dataset.save_episode()
        numbers = {name: value(name, episode, frame, seed=seed) for name in ("observation.state", "action")}
        image = picture(Barcode(seed, episode, frame, 0), (64, 48))
        dataset.add_frame({**numbers, FRONT: image, "task": task})
    dataset.save_episode()
    dataset.finalize()


# Without LeRobot: the viewer of the Hub and plain `datasets` --------------------------------------


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_datasets_knows_the_declared_features(
    version: str, row_groups: str, recorded: Record, tmp_path: Path
) -> None:
    from datasets import Array2D, Array3D, Dataset, Image, List, Value
    from lerobot.datasets.feature_utils import get_hf_features_from_features

    grids: dict[str, tuple[str, tuple[int, ...], Callable[[int, int], Any]]] = {
        "grid": ("float32", (2, 3), lambda e, f: np.arange(6).reshape(2, 3) * f + e),
        "volume": ("int64", (2, 1, 2), lambda e, f: np.arange(4).reshape(2, 1, 2) - f),
        "next.done": ("bool", (1,), lambda e, f: f == 3),
        "note": ("string", (1,), lambda e, f: f"{e} {f}"),
    }
    source = recorded(version=version, extra_features=grids, image_features=("hand",), codec="h264")
    out = tmp_path / "out"
    lecompose.merge([source, source], out=out, row_groups=row_groups, data_mb=0.05)
    files = sorted(map(str, out.glob("data/*/*.parquet")))
    assert len(files) > 1
    held = Dataset.from_parquet(files, cache_dir=str(tmp_path / "cache"))
    declared = {
        "observation.state": List(Value("float32"), length=6),
        "grid": Array2D((2, 3), "float32"),
        "volume": Array3D((2, 1, 2), "int64"),
        "next.done": Value("bool"),
        "note": Value("string"),
        "observation.images.hand": Image(),
        "index": Value("int64"),
    }
    assert {name: held.features[name] for name in declared} == declared
    dataset = opened(out)
    assert held.features == get_hf_features_from_features(dataset.features)

    rows = [row for path in files for row in table(Path(path)).to_pylist()]
    for index, row in enumerate(rows):
        item, moment = dataset[index], divmod(index % 30, 10)
        assert np.array_equal(item["grid"], np.float32(grids["grid"][2](*moment)))
        assert np.array_equal(item["volume"], grids["volume"][2](*moment))
        assert (bool(item["next.done"]), item["note"]) == (moment[1] == 3, f"{moment[0]} {moment[1]}")
        assert mark_of(item["observation.images.hand"]) == (0, *moment, 2)
        assert held[index]["observation.state"] == row["observation.state"]
