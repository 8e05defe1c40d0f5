"""LeRobot's functions, ours in their place: LeRobot's objects in and out, every frame as it was recorded."""

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.lerobot_reads import RECORDING, Moment, assert_recorded, moments, opened

import lecompose
import lecompose.lerobot as ours

pytestmark = pytest.mark.oracle

Record = Callable[..., Path]
CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = "lerobot.datasets.dataset_tools"
HOMES = {
    "aggregate_datasets": "lerobot.datasets.aggregate",
    "convert_dataset": "lerobot.scripts.convert_dataset_v21_to_v30",
    **dict.fromkeys(
        (
            *("merge_datasets", "split_dataset", "delete_episodes", "modify_tasks", "recompute_stats"),
            "convert_image_to_video_dataset",
            *("modify_features", "add_features", "remove_feature"),
        ),
        TOOLS,
    ),
}


@pytest.fixture
def dataset(recorded: Record) -> Any:
    return opened(recorded(**RECORDING))


@pytest.fixture
def theirs_replaced() -> Iterator[None]:
    ours.install()
    yield
    ours.uninstall()


def without(*episodes: int) -> list[Moment]:
    """The recording's frames but for some episodes, numbered anew."""
    kept = [n for n in range(len(RECORDING["frames"])) if n not in episodes]
    return [frame for frame in moments(RECORDING) if frame.episode in kept]


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOMES)
def test_arguments_and_defaults_are_lerobots(name: str) -> None:
    theirs = getattr(importlib.import_module(HOMES[name]), name)
    assert plain(getattr(ours, name)) == plain(theirs)


def plain(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", HOMES)
def test_installed_wherever_lerobot_has_it(name: str, theirs_replaced: None) -> None:
    holders = [
        module for n, module in sys.modules.items() if n.startswith("lerobot.") and name in vars(module)
    ]
    assert holders
    assert {getattr(module, name) for module in holders} == {getattr(ours, name)}
    ours.uninstall()
    assert all(getattr(module, name).__module__ == HOMES[name] for module in holders)


def test_lerobot_is_imported_at_the_first_call_only() -> None:
    heavy = ("lerobot", "torch", "pandas")
    code = f"import sys, lecompose.lerobot; print([n for n in {heavy} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


# What they make -----------------------------------------------------------------------------------


def test_merge(dataset: Any, recorded: Record, tmp_path: Path) -> None:
    other = {**RECORDING, "seed": 9, "frames": (4, 6)}
    merged = ours.merge_datasets([dataset, opened(recorded(**other))], "me/both", output_dir=tmp_path / "out")
    assert (merged.repo_id, Path(merged.root)) == ("me/both", tmp_path / "out")
    assert_recorded(opened(merged.root), moments(RECORDING, other))


def test_merge_of_some_episodes(recorded: Record, tmp_path: Path) -> None:
    some = opened(recorded(**RECORDING), episodes=[3, 1])
    merged = ours.merge_datasets([some], "me/some", tmp_path / "out")
    assert_recorded(opened(merged.root), without(0, 2))


def test_delete(dataset: Any, tmp_path: Path) -> None:
    left = ours.delete_episodes(dataset, [1, 1], tmp_path / "out", "me/left")
    assert_recorded(opened(left.root), without(1))


def test_split_by_fractions_is_exact(dataset: Any, tmp_path: Path) -> None:
    parts = ours.split_dataset(dataset, {"train": 0.5, "val": 0.3, "none": 0.01}, tmp_path)
    assert {name: part.meta.total_episodes for name, part in parts.items()} == {"train": 2, "val": 1}
    assert_recorded(opened(parts["train"].root), without(2, 3))
    assert_recorded(opened(parts["val"].root), without(0, 1, 3))


def test_split_by_episodes_goes_to_lerobots_home(
    dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lerobot.utils.constants.HF_LEROBOT_HOME", tmp_path)
    parts = ours.split_dataset(dataset, {"a": [2, 0], "b": [3]})
    assert Path(parts["a"].root) == tmp_path / f"{dataset.repo_id}_a"
    assert_recorded(opened(parts["a"].root), without(1, 3))


def test_features(dataset: Any, tmp_path: Path) -> None:
    frames = len(dataset)
    reward = np.arange(frames, dtype=np.float32)
    scalar = {"dtype": "float32", "shape": (1,), "names": None}
    made = ours.modify_features(
        dataset,
        add_features={
            "reward": (reward, scalar),
            "half": (lambda row, episode, frame: row["action"][0] / 2 + episode + frame, scalar),
        },
        remove_features="observation.images.wrist",
        output_dir=tmp_path / "out",
    )
    assert "observation.images.wrist" not in made.meta.features
    for index in (0, 8, frames - 1):
        item = made[index]
        wanted = float(item["action"][0]) / 2 + int(item["episode_index"]) + int(item["frame_index"])
        assert (float(item["reward"]), float(item["half"])) == (index, pytest.approx(wanted))
    assert made.meta.stats["reward"]["max"] == [frames - 1]
    more = ours.add_features(made, {"more": (reward, scalar)}, tmp_path / "more")
    less = ours.remove_feature(more, ["reward", "half"], tmp_path / "less")
    assert {"more"} == less.meta.features.keys() - dataset.meta.features.keys()


def test_tasks_change_in_place(make_dataset: Record) -> None:
    dataset = opened(make_dataset("day", **RECORDING))
    assert ours.modify_tasks(dataset, new_task="nod", episode_tasks={1: "bow"}) is dataset
    expected = [frame._replace(task="bow" if frame.episode == 1 else "nod") for frame in moments(RECORDING)]
    assert_recorded(dataset, expected)
    ours.modify_tasks(dataset, new_task="rest", task_replacements={"bow": "bow low"})
    told = {"bow": "bow low", "nod": "rest"}
    assert_recorded(dataset, [frame._replace(task=told[frame.task]) for frame in expected])


def test_statistics_change_in_place(make_dataset: Record) -> None:
    root = make_dataset("day", **RECORDING)
    path = root / "meta/stats.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"action": {stat: [0.0] * 6 for stat in said["action"]}}))
    dataset = opened(root)
    assert ours.recompute_stats(dataset) is dataset
    actions = np.stack([dataset[n]["action"].numpy() for n in range(len(dataset))]).astype(np.float64)
    assert np.allclose(dataset.meta.stats["action"]["q50"], np.quantile(actions, 0.5, axis=0), atol=1e-6)
    assert np.allclose(dataset.meta.stats["action"]["std"], actions.std(axis=0), atol=1e-6)
    assert json.loads(path.read_text())["observation.images.front"] == said["observation.images.front"]


def test_convert(make_dataset: Record) -> None:
    root = make_dataset("day", version="v2.1", **RECORDING)
    ours.convert_dataset("me/day", root=root, push_to_hub=False)
    assert_recorded(opened(root), moments(RECORDING))
    assert json.loads((root.parent / "day_old/meta/info.json").read_text())["codebase_version"] == "v2.1"
    with pytest.raises(ValueError, match=r"v3\.0"):
        ours.convert_dataset("me/day", root=root, push_to_hub=False)


def test_what_lerobot_says_when_a_destination_is_taken(dataset: Any, tmp_path: Path) -> None:
    ours.delete_episodes(dataset, [0], tmp_path / "out")
    with pytest.raises(FileExistsError):
        ours.delete_episodes(dataset, [1], tmp_path / "out")


def test_lerobots_command(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day", **RECORDING)
    words = [sys.executable, "-m", "lecompose.lerobot", "--repo_id", "me/day", "--root", str(root)]
    words += ["--new_repo_id", "me/left", "--new_root", str(tmp_path / "left")]
    words += ["--operation.type", "delete_episodes", "--operation.episode_indices", "[0, 2]"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_recorded(opened(tmp_path / "left"), without(0, 2))
    lineage = lecompose.query(tmp_path / "left", "select distinct command from lineage").to_pylist()
    assert lineage[0]["command"].startswith("lecompose delete")


def test_the_example_of_the_readme(make_dataset: Record, tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        make_dataset(day, **RECORDING)
    blocks = (CHECKOUT / "README.md").read_text(encoding="utf-8").split("```python\n")[1:]
    (example,) = (code for block in blocks if "lecompose.lerobot" in (code := block.partition("```")[0]))
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1) == ["8", "pick the cup\n"]
    assert_recorded(opened(tmp_path / "both"), moments(RECORDING, RECORDING))


# Its objects in our functions ---------------------------------------------------------------------


def test_a_lerobot_dataset_is_a_source(dataset: Any, tmp_path: Path) -> None:
    lecompose.merge({"a": dataset}, out=tmp_path / "out", episodes={"a": "1:3"})
    assert_recorded(opened(tmp_path / "out"), without(0, 3))
    assert lecompose.check(dataset) == []
    assert lecompose.info(dataset).episodes == len(RECORDING["frames"])
    rows = lecompose.query([dataset], "select count(*) as n from frames").to_pylist()
    assert rows == [{"n": len(dataset)}]
