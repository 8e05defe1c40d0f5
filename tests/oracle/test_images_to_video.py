"""Pictures of data files made videos, in LeRobot's place: every frame, task and statistic as it was."""

import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.lerobot_reads import (
    RECORDING,
    TASKS,
    assert_recorded,
    episodes_of,
    moments,
    opened,
    without_seeking,
)

import lecompose
from lecompose.lerobot import convert_image_to_video_dataset as convert
from lecompose.lerobot import delete_episodes, merge_datasets, split_dataset

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
PICTURES: dict[str, Any] = {**RECORDING, "cameras": (), "image_features": ("front", "wrist")}
DEPTH = "observation.images.depth"
RNG = np.random.default_rng(8)


def rgb(**settings: Any) -> Any:
    from lerobot.configs.video import RGBEncoderConfig

    return RGBEncoderConfig(**settings)


def depth(**settings: Any) -> Any:
    from lerobot.configs.video import DepthEncoderConfig

    return DepthEncoderConfig(**settings)


def png() -> bytes:
    """A picture of another size than the recorder's."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (48, 64)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def source(recorded: Record) -> Any:
    return opened(recorded(**PICTURES))


@pytest.mark.parametrize("codec", ["libsvtav1", "h264", "hevc"])
def test_every_frame(codec: str, source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = convert(source, tmp_path / "out", "me/films", rgb(vcodec=codec), num_workers=2)
    assert (made.repo_id, Path(made.root)) == ("me/films", tmp_path / "out")
    assert (made.meta.video_keys, made.meta.image_keys) == (source.meta.image_keys, [])
    assert lecompose.check(made) == []
    if codec == "hevc":
        without_seeking(monkeypatch)
    for backend in ("pyav",) if codec == "hevc" else ("torchcodec", "pyav"):
        filmed = opened(made.root, video_backend=backend)
        assert_recorded(filmed, moments(PICTURES))
        for camera in made.meta.video_keys:
            assert min(psnr(source[n][camera], filmed[n][camera]) for n in range(len(source))) > 30


def psnr(png: Any, shown: Any) -> float:
    """Units: dB. `png` is 0 to 1, or bytes as `shown`."""
    wanted, found = (
        image.numpy().astype(np.float64) * (1 if image.numpy().dtype == np.uint8 else 255)
        for image in (png, shown)
    )
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((wanted - found) ** 2))))


def test_tasks_statistics_and_pointers_are_there(source: Any, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out")
    assert_same_stats(made.root, source.root)
    rows, before = episode_rows(made.root), episode_rows(source.root)
    assert [sorted(row["tasks"]) for row in rows] == [sorted(row["tasks"]) for row in before]
    assert [row["meta/episodes/file_index"] for row in rows] == [0] * len(before)
    for camera in made.meta.video_keys:
        assert rows[0][f"videos/{camera}/to_timestamp"] == pytest.approx(RECORDING["frames"][0] / 30)


def assert_same_stats(root: Path, other: Path) -> None:
    """The statistics of the whole but for rounding, those of the episodes to the last digit.

    Quantiles of numbers are of all frames: what LeRobot says are means of the episodes', or bounds in its
    main branch. What is numbered anew is computed anew.
    """
    anew = tuple(f"stats/{name}/" for name in ("index", "episode_index", "task_index"))
    said, wanted = (json.loads((Path(at) / "meta/stats.json").read_text()) for at in (root, other))
    assert said.keys() == wanted.keys()
    for name, stats in wanted.items():
        assert said[name].keys() == stats.keys()
        for stat, values in stats.items():
            assert np.shape(said[name][stat]) == np.shape(values)
            if not stat.startswith("q") or ("image" in name and takes_means()):
                np.testing.assert_allclose(said[name][stat], values, rtol=1e-5, atol=1e-6)
    for row, before in zip(episode_rows(root), episode_rows(other), strict=True):
        own = {k: v for k, v in before.items() if k.startswith("stats/") and not k.startswith(anew)}
        assert {key: row[key] for key in own} == own


def takes_means() -> bool:
    """Whether LeRobot merges quantiles by their mean, as we do those of pictures."""
    from lerobot.datasets.compute_stats import aggregate_stats

    said = ("min", "max", "mean", "std", "q50")
    parts = [{"x": {stat: np.array([n]) for stat in said} | {"count": np.array([1])}} for n in (1.0, 3.0)]
    return float(aggregate_stats(parts)["x"]["q50"][0]) == 2.0


def episode_rows(root: Path) -> list[dict[str, Any]]:
    files = sorted((Path(root) / "meta/episodes").glob("*/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_others_go_on_with_it(source: Any, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out")
    twice = merge_datasets([made, made], "me/twice", tmp_path / "twice")
    assert_recorded(opened(twice.root), moments(PICTURES, PICTURES))
    left = delete_episodes(made, [1], tmp_path / "left")
    assert_recorded(opened(left.root), episodes_of(moments(PICTURES), 0, 2, 3))
    parts = split_dataset(made, {"a": [3], "b": [0, 2]}, tmp_path / "parts")
    assert_recorded(opened(parts["b"].root), episodes_of(moments(PICTURES), 0, 2))


def test_episodes_in_the_order_asked_for(source: Any, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out", episode_indices=[3, 0, 3], max_frames_per_batch=4)
    expected = [*episodes_of(moments(PICTURES), 3), *episodes_of(moments(PICTURES), 0)]
    assert_recorded(opened(made.root), expected)
    assert made.meta.total_episodes == 2
    rows = lecompose.query(
        made, "select src_episode, from_episode, from_path, command from lineage"
    ).to_pylist()
    assert [row["from_episode"] for row in rows] == [3, 0]
    assert {row["from_path"] for row in rows} == {str(source.root)}
    assert "--operation.episode_indices '[3, 0]'" in rows[0]["command"]


def test_the_command_in_the_lineage_makes_the_same_again(source: Any, tmp_path: Path) -> None:
    encoder = rgb(vcodec="h264", crf=23, extra_options={"tune": "film"})
    made = convert(source, tmp_path / "out", rgb_encoder=encoder, episode_indices=[2, 1])
    (row,) = lecompose.query(made, "select distinct command from lineage").to_pylist()
    python, *words = shlex.split(row["command"])
    assert python == "python"
    (tmp_path / "again").mkdir()
    subprocess.run([sys.executable, *words], cwd=tmp_path / "again", check=True, capture_output=True)
    for path in made.root.rglob("*"):
        again = tmp_path / "again/out" / path.relative_to(made.root)
        assert path.is_dir() or path.read_bytes() == again.read_bytes(), path


def test_episodes_it_is_open_with(recorded: Record, tmp_path: Path) -> None:
    made = convert(opened(recorded(**PICTURES), episodes=[2, 1]), tmp_path / "out")
    assert_recorded(opened(made.root), episodes_of(moments(PICTURES), 1, 2))


def test_what_lies_beside_is_kept(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day 1", **PICTURES, chunks_size=7)
    info = json.loads((root / "meta/info.json").read_text()) | {"video_files_size_in_mb": 50, "tools": ["x"]}
    (root / "meta/info.json").write_text(json.dumps(info))
    (root / "README.md").write_text("mine")
    (root / "meta/modality.json").write_text("{}")
    made = convert(opened(root), tmp_path / "out 2")
    assert (made.root / "README.md").read_text() == "mine"
    assert (made.root / "meta/modality.json").read_text() == "{}"
    kept = ("tools", "video_files_size_in_mb", "chunks_size", "robot_type")
    said = json.loads((made.root / "meta/info.json").read_text())
    assert {key: said[key] for key in kept} == {key: info[key] for key in kept}
    assert_recorded(opened(made.root), moments(PICTURES))


# Depth ------------------------------------------------------------------------------------------


@pytest.fixture(params=["mm", "m"])
def depths(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A colour and a depth camera; lengths up to 9 m, in both units."""
    dtype, most = (np.uint16, 9000) if request.param == "mm" else (np.float32, 9)
    info = {"is_depth_map": True, "depth_unit": request.param}
    names = ["height", "width", "channels"]
    features = {
        "observation.images.front": {"dtype": "image", "shape": (48, 64, 3), "names": names},
        DEPTH: {"dtype": "image", "shape": (48, 64, 1), "names": names, "info": info},
    }
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset.create(
        "me/depth", fps=10, features=features, root=tmp_path / "depth", use_videos=False
    )
    for length in (4, 6):
        for _ in range(length):
            colour = np.full((48, 64, 3), RNG.integers(256), np.uint8)
            far = (RNG.random((48, 64, 1)) * most).astype(dtype)
            dataset.add_frame({"observation.images.front": colour, DEPTH: far, "task": TASKS[0]})
        dataset.save_episode()
    dataset.finalize()
    return LeRobotDataset("me/depth", root=tmp_path / "depth")


def test_depth(depths: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = depth(depth_min=0.05, depth_max=9.5, shift=2.0, use_log=False)
    made = convert(depths, tmp_path / "out", depth_encoder=encoder)
    assert (made.meta.depth_keys, len(made.meta.video_keys)) == ([DEPTH], 2)
    assert type(encoder).from_video_info(made.meta.features[DEPTH]["info"]) == encoder
    assert made.meta.features["observation.images.front"]["info"]["is_depth_map"] is False
    without_seeking(monkeypatch)
    assert_same_stats(made.root, depths.root)
    # LeRobot shows both units in millimetres, whole ones out of videos.
    most = 1000 * (9.5 - 0.05) / 4095 / 2 + 0.51
    for n in range(len(depths)):
        wanted, found = (dataset[n][DEPTH].numpy().astype(float) for dataset in (depths, made))
        assert np.abs(np.maximum(wanted, 50) - found).max() < most
    assert_sound_twice(made, tmp_path)


def assert_sound_twice(made: Any, tmp_path: Path) -> None:
    twice = merge_datasets([made, made], "me/twice", tmp_path / "twice")
    assert lecompose.check(twice) == []
    assert np.array_equal(twice[12][DEPTH], made[2][DEPTH])


# What goes wrong --------------------------------------------------------------------------------


def test_an_encoder_that_refuses_leaves_nothing(source: Any, tmp_path: Path) -> None:
    refused = rgb(vcodec="h264", extra_options={"profile": "none"})
    with pytest.raises(Exception) as caught:  # noqa: PT011 - FFmpeg's own
        convert(source, tmp_path / "out", rgb_encoder=refused)
    assert re.match(r'camera "observation.images.front", episode \d', caught.value.__notes__[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", [[], [0, 4], [-1]])
def test_episodes_that_are_not_there(asked: list[int], source: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pisode"):
        convert(source, tmp_path / "out", episode_indices=asked)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("give", "told"),
    [(lambda: None, "no picture"), (lambda: b"PNG", "no picture"), (png, "those before")],
    ids=["nothing", "no picture", "another size"],
)
def test_a_picture_that_is_none(
    give: Callable[[], bytes | None], told: str, make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset("day", **PICTURES)
    path, camera = next((root / "data").glob("*/*.parquet")), "observation.images.wrist"
    table = pq.read_table(path)
    cells = table[camera].to_pylist()
    cells[8] = {"bytes": give(), "path": "frame-000001.png"}
    at = table.schema.get_field_index(camera)
    table = table.set_column(at, table.schema.field(at), pa.array(cells, table.schema.field(at).type))
    pq.write_table(table, path, row_group_size=1)
    with pytest.raises(ValueError, match=f'{told}.*: camera "{camera}", episode 1, frame 1'):
        convert(opened(root), tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["day"]


def test_what_it_is_not_for(recorded: Record, source: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="videos already"):
        convert(opened(recorded(**RECORDING)), tmp_path / "out")
    with pytest.raises(ValueError, match="no pictures"):
        convert(opened(recorded(**RECORDING | {"cameras": ()})), tmp_path / "out")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine").write_text("mine")
    with pytest.raises(FileExistsError):
        convert(source, tmp_path / "taken")
    with pytest.raises(ValueError, match="inside each other"):
        convert(source, source.root / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
