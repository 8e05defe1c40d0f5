"""LeRobot 0.6.1: its own functions, called as its documentation does."""

import json
from pathlib import Path
from typing import Any


def merge(sources: list[Path], out: Path, clock: Any) -> None:
    """merge_datasets of datasets opened from their folders."""
    from lerobot.datasets.dataset_tools import merge_datasets

    clock.mark("import")
    datasets = [_opened(root) for root in sources]
    clock.mark("open")
    merge_datasets(datasets, output_repo_id="bench/all", output_dir=out / "all")
    clock.mark("merge")


def convert_and_merge(sources: list[Path], out: Path, clock: Any) -> None:
    """Its way from v2.1: every source converted in place, then all merged. The sources are copies."""
    from lerobot.datasets.dataset_tools import merge_datasets
    from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset

    clock.mark("import")
    for root in sources:
        convert_dataset(repo_id=f"bench/{root.name}", root=str(root), push_to_hub=False)
    clock.mark("convert")
    datasets = [_opened(root) for root in sources]
    clock.mark("open")
    merge_datasets(datasets, output_repo_id="bench/all", output_dir=out / "all")
    clock.mark("merge")


def split(sources: list[Path], out: Path, clock: Any) -> None:
    """split_dataset into the first 80 % and the rest."""
    from lerobot.datasets.dataset_tools import split_dataset

    clock.mark("import")
    dataset = _opened(sources[0])
    clock.mark("open")
    split_dataset(dataset, {"train": 0.8, "val": 0.2}, output_dir=out)
    clock.mark("split")


def delete(sources: list[Path], out: Path, clock: Any) -> None:
    """delete_episodes of episode 1."""
    from lerobot.datasets.dataset_tools import delete_episodes

    clock.mark("import")
    dataset = _opened(sources[0])
    clock.mark("open")
    delete_episodes(dataset, [1], output_dir=out / "all", repo_id="bench/all")
    clock.mark("delete")


def _opened(root: Path) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    assert json.loads((root / "meta/info.json").read_text())["codebase_version"] == "v3.0"
    return LeRobotDataset(f"bench/{root.name}", root=root)
