"""Functions that add and remove features."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import lecompose
from lecompose.files.clutter import glob_files
from lecompose.lerobot import compat
from lecompose.lerobot.compat import LeRobotDataset

NewFeature: TypeAlias = tuple[Any, dict[str, Any]]
"""An array or tensor of a row a frame, or a function (row, episode_index, frame_index) → value; and its
entry in info.json."""

_REQUIRED = {"timestamp", "frame_index", "episode_index", "index", "task_index"}


def modify_features(
    dataset: LeRobotDataset,
    add_features: dict[str, NewFeature] | None = None,
    remove_features: str | list[str] | None = None,
    output_dir: str | Path | None = None,
    repo_id: str | None = None,
) -> LeRobotDataset:
    """Return a copy of a dataset with features added and removed; new ones have statistics.

    Raises:
        ValueError: if a feature exists already, is missing, or may not be removed.
        FileExistsError: if the output exists.
    """
    if add_features is None and remove_features is None:
        raise ValueError("Must specify at least one of add_features or remove_features")
    removed = [remove_features] if isinstance(remove_features, str) else list(remove_features or [])
    _refuse(dataset.meta.features, add_features or {}, removed)
    repo_id = f"{dataset.repo_id}_modified" if repo_id is None else repo_id
    out = compat.choose_folder(output_dir, repo_id)
    values = {
        name: (_compute_values(dataset.root, said), dict(spec))
        for name, (said, spec) in (add_features or {}).items()
    }
    limits = compat.read_limits(dataset.meta) | {"concatenate_data": False, "concatenate_videos": False}
    with compat.raise_as_lerobot():
        if values or removed:
            limits["remove"] = removed
            lecompose.edit_features(dataset.root, out=out, values=values, **limits)
        else:
            lecompose.merge(dataset.root, out=out, **limits)
    return compat.open_dataset(repo_id, out, dataset)


def add_features(
    dataset: LeRobotDataset,
    features: dict[str, NewFeature],
    output_dir: str | Path | None = None,
    repo_id: str | None = None,
) -> LeRobotDataset:
    """Return a copy of a dataset with new features. Raises what `modify_features` raises."""
    if not features:
        raise ValueError("No features provided")
    return modify_features(dataset, add_features=features, output_dir=output_dir, repo_id=repo_id)


def remove_feature(
    dataset: LeRobotDataset,
    feature_names: str | list[str],
    output_dir: str | Path | None = None,
    repo_id: str | None = None,
) -> LeRobotDataset:
    """Return a copy of a dataset without some features. Raises what `modify_features` raises."""
    return modify_features(dataset, remove_features=feature_names, output_dir=output_dir, repo_id=repo_id)


def _refuse(have: Iterable[str], added: Mapping[str, NewFeature], removed: list[str]) -> None:
    have, needed = set(have), {"dtype", "shape"}
    for name, (_, spec) in added.items():
        if name in have:
            raise ValueError(f"Feature '{name}' already exists in dataset")
        if not needed <= spec.keys():
            raise ValueError(f"feature_info for '{name}' must contain keys: {needed}")
    for name in removed:
        if name not in have:
            raise ValueError(f"Feature '{name}' not found in dataset")
    if _REQUIRED & set(removed):
        raise ValueError(f"Cannot remove required features: {_REQUIRED}")


def _compute_values(root: Path, said: Any) -> np.ndarray:
    """Return the values of a feature for all frames, in the order of `index`."""
    if not callable(said):
        return np.asarray(said)
    rows = [row for path in glob_files(root, "data/*/*.parquet") for row in _call_on_rows(path, said)]
    return np.asarray([value for _, value in sorted(rows, key=lambda row: row[0])])


def _call_on_rows(
    path: Path, function: Callable[[dict[str, Any], int, int], Any]
) -> Iterable[tuple[int, Any]]:
    """Yield the `index` and the value of each row of a data file."""
    import pandas as pd

    frame = pd.read_parquet(path)
    for _, row in frame.iterrows():
        value = function(row.to_dict(), row["episode_index"], row["frame_index"])
        size = getattr(value, "size", None)
        yield int(row["index"]), value.item() if size == 1 else value
