"""LeRobot computes the same statistics of the same pictures and numbers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.lerobot_reads import opened

import lecompose
from lecompose.formats import feature
from lecompose.statistics import visual
from recorder.scene import png

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
LENGTHS = (7, 130, 12)
CAMERAS = ("observation.images.front", "observation.images.side")
NUMBERS = ("action", "observation.state")


def of_lerobot(dataset: Any, rows: range, scratch: Path) -> dict[str, Any]:
    """What LeRobot says of an episode, of pictures as its own reader decodes and samples them.

    It is given its numbers as float64: of float32 it makes sums that are off in the fifth digit.
    """
    from lerobot.datasets.compute_stats import compute_episode_stats, get_feature_stats, sample_images

    items = [dataset[n] for n in rows]
    numbers = {name: np.stack([item[name].numpy() for item in items]).astype(np.float64) for name in NUMBERS}
    found = dict(compute_episode_stats(numbers, dataset.meta.features))
    for camera in CAMERAS:
        paths = [scratch / f"{camera}-{n}.png" for n in rows]
        for path, item in zip(paths, items, strict=True):
            path.write_bytes(png(as_bytes(item[camera].numpy())))
        sampled = sample_images(list(map(str, paths))).astype(np.float64)
        stats = get_feature_stats(sampled, axis=(0, 2, 3), keepdims=True)
        found[camera] = {k: v if k == "count" else np.squeeze(v / 255, axis=0) for k, v in stats.items()}
    return found


def as_bytes(picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8:
        picture = np.round(picture * 255).astype(np.uint8)
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


@pytest.mark.parametrize("codec", ["libsvtav1", "h264"])
def test_of_each_episode(codec: str, recorded: Record, tmp_path: Path) -> None:
    root = recorded(
        frames=LENGTHS, codec=codec, cameras=("front",), image_features=("side",), size=(320, 48), seed=4
    )
    lecompose.stats(root, out=tmp_path / "out", images=True)
    dataset = opened(tmp_path / "out", video_backend="pyav")
    (file,) = (tmp_path / "out/meta/episodes").rglob("*.parquet")
    held = pq.read_table(file).to_pydict()
    start = 0
    for episode, length in enumerate(LENGTHS):
        theirs = of_lerobot(dataset, range(start, start + length), tmp_path)
        for name in (*NUMBERS, *CAMERAS):
            ours = {stat: np.array(held[f"stats/{name}/{stat}"][episode]) for stat in theirs[name]}
            assert ours["count"] == theirs[name]["count"]
            for stat in ("min", "max", "mean", "std"):
                assert ours[stat].shape == theirs[name][stat].shape
                np.testing.assert_allclose(ours[stat], theirs[name][stat], rtol=1e-6, atol=1e-6)
            # Theirs are read off a histogram of 5,000 bins, and of few numbers are one of these.
            step = np.ptp([ours["min"], ours["max"]]) / (1 if length < 100 else 8)
            for stat in ("q01", "q10", "q50", "q90", "q99"):
                np.testing.assert_allclose(ours[stat], theirs[name][stat], atol=step)
        start += length


@pytest.mark.parametrize("unit", ["mm", "m"])
def test_of_depth_pictures(unit: str, tmp_path: Path) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    name = "observation.images.depth"
    spec = {
        "dtype": "image",
        "shape": (310, 40, 1),
        "names": ["height", "width", "channels"],
        "info": {"is_depth_map": True, "depth_unit": unit},
    }
    recorder = LeRobotDataset.create(
        "test/depth", fps=10, features={name: spec}, root=tmp_path / "in", use_videos=False
    )
    rng = np.random.default_rng(0)
    for length in (5, 12):
        for _ in range(length):
            metres = 3 * rng.random((310, 40, 1)) + 0.3
            picture = metres.astype(np.float32) if unit == "m" else (1000 * metres).astype(np.uint16)
            recorder.add_frame({name: picture, "task": "look"})
        recorder.save_episode()
    recorder.finalize()
    ours = lecompose.stats(tmp_path / "in", images=True)[name]
    # As it stands there: what it loads it shows in millimetres.
    said = json.loads((tmp_path / "in/meta/stats.json").read_text())[name]
    theirs = {stat: np.array(values) for stat, values in said.items()}
    for stat in ("min", "max", "mean", "std", "count"):
        assert np.shape(ours[stat]) == theirs[stat].shape
        np.testing.assert_allclose(ours[stat], theirs[stat], rtol=1e-5)
    # Theirs is the mean of two episodes', each from a histogram of 5,000 bins.
    for stat in ("q01", "q10", "q50", "q90", "q99"):
        np.testing.assert_allclose(ours[stat], theirs[stat], rtol=0.02)


@pytest.mark.parametrize("unit", ["mm", "m"])
@pytest.mark.parametrize("log", [True, False])
def test_of_depth_codes(unit: str, log: bool) -> None:
    from lerobot.datasets.depth_utils import dequantize_depth

    info = {"is_depth_map": True, "depth_unit": unit, "video.use_log": log, "video.depth_max": 7.0}
    ours = visual._sample_values(feature("depth", {"dtype": "video", "shape": (4, 4, 1), "info": info}))
    codes = np.arange(4096, dtype=np.uint16)[None, :]
    theirs = dequantize_depth(codes, depth_max=7.0, use_log=log, output_unit=unit, output_tensor=False)
    np.testing.assert_allclose(ours, np.ravel(theirs), rtol=0, atol=1 if unit == "mm" else 1e-5)


@pytest.mark.parametrize("exclude", [("gripper",), ()])
def test_of_relative_actions(exclude: tuple[str, ...], recorded: Record, tmp_path: Path) -> None:
    """LeRobot reads quantiles off histograms of 5,000 bins, and sums in float32."""
    from lerobot.datasets.dataset_tools import recompute_stats

    root = recorded(frames=LENGTHS, cameras=(), seed=4)
    info = json.loads((root / "meta/info.json").read_text())
    copy = tmp_path / "day"
    shutil.copytree(root, copy)
    size = info["features"]["action"]["shape"][0]
    info["features"]["action"]["names"] = [f"joint_{n}" for n in range(size - 1)] + ["right_Gripper.pos"]
    (copy / "meta/info.json").write_text(json.dumps(info))
    ours = lecompose.stats(copy, relative="action", horizon=10, exclude=exclude)["action"]
    dataset = opened(copy)
    recompute_stats(dataset, relative_action=True, relative_exclude_joints=list(exclude), chunk_size=10)
    theirs = {stat: np.asarray(values) for stat, values in dataset.meta.stats["action"].items()}
    assert ours.keys() == theirs.keys()
    for stat in ("min", "max", "count"):
        assert np.array_equal(np.asarray(ours[stat], theirs[stat].dtype), theirs[stat]), stat
    for stat in ("mean", "std"):
        np.testing.assert_allclose(ours[stat], theirs[stat], rtol=1e-3, atol=1e-4, err_msg=stat)
    rows = chunks_of_lerobot(dataset, 10, exclude)
    bins = (theirs["max"] - theirs["min"]) / 5000
    for stat in ours.keys() - {"min", "max", "count", "mean", "std"}:
        level = int(stat[1:]) / 100
        assert np.array_equal(ours[stat], np.quantile(rows.astype(np.float64), level, axis=0)), stat
        ends = (np.quantile(rows, level, axis=0, method=way) for way in ("lower", "higher"))
        low, high = next(ends) - 2 * bins - 1e-6, next(ends) + 2 * bins + 1e-6
        assert ((low <= theirs[stat]) & (theirs[stat] <= high)).all(), stat


def chunks_of_lerobot(dataset: Any, horizon: int, exclude: tuple[str, ...]) -> np.ndarray:
    """The relative actions that LeRobot counts. Shape: (stretches × horizon, dimensions)."""
    from lerobot.datasets import compute_stats
    from lerobot.processor.relative_action_processor import RelativeActionsProcessorStep

    names = dataset.meta.features["action"]["names"]
    step = RelativeActionsProcessorStep(enabled=True, exclude_joints=list(exclude), action_names=names)
    mask = np.array(step._build_mask(len(names)), np.float32)
    columns = dataset.hf_dataset.with_format("numpy")
    actions, states = (np.array(columns[n], np.float32) for n in ("action", "observation.state"))
    starts = compute_stats._get_valid_chunk_starts(np.array(columns["episode_index"]), horizon)
    return compute_stats._compute_relative_chunk_batch(starts, actions, states, horizon, mask)
