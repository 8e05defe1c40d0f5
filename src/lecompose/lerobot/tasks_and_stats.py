"""Functions that change a dataset in place: tasks, statistics."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lecompose
from lecompose.dataset.export import publish
from lecompose.lerobot import compat
from lecompose.lerobot.compat import LeRobotDataset

# LeRobot leaves these as they are; ours are true already, or are made so on the way.
_BOOKKEEPING = frozenset(("index", "episode_index", "task_index", "frame_index", "timestamp"))


def modify_tasks(
    dataset: LeRobotDataset,
    new_task: str | None = None,
    episode_tasks: dict[int, str] | None = None,
    task_replacements: dict[str, str] | None = None,
) -> LeRobotDataset:
    """Return the same dataset, written again in its place with other tasks.

    An episode in `episode_tasks` gets that task; in all others each task is replaced as `task_replacements`
    says. A task that is not named there becomes `new_task`, or stays if that is not given.

    Raises:
        ValueError: if an episode or task does not exist.
    """
    if not new_task and not episode_tasks and not task_replacements:
        raise ValueError("Must specify at least one of new_task, episode_tasks, or task_replacements")
    unknown = set(episode_tasks or {}) - set(range(dataset.meta.total_episodes))
    if unknown:
        raise ValueError(f"Invalid episode indices: {unknown}")
    have = list(dataset.meta.tasks.index)
    strange = set(task_replacements or {}) - set(have)
    if strange:
        raise ValueError(f"Task replacements reference unknown tasks: {sorted(strange)}")
    replace = dict(task_replacements or {})
    if new_task and replace:
        replace = dict.fromkeys(have, new_task) | replace
    with compat.raise_as_lerobot():
        lecompose.edit_tasks(
            dataset.root,
            in_place=True,
            task=None if replace else new_task,
            episodes=episode_tasks or {},
            replace=replace,
            **compat.read_limits(dataset.meta),
        )
    return compat.reopen(dataset)


def recompute_stats(
    dataset: LeRobotDataset,
    skip_image_video: bool = True,
    relative_action: bool = False,
    relative_exclude_joints: list[str] | None = None,
    chunk_size: int = 50,
    num_workers: int = 0,
) -> LeRobotDataset:
    """Return the same dataset, with its stats.json computed from all frames; other entries stay.

    With `relative_action` the statistics of the action are LeRobot's own, relative to the state over
    `chunk_size` frames.

    Raises:
        ValueError: if frames or pictures cannot be read, or a file cannot be written.
    """
    path = dataset.root / "meta" / "stats.json"
    with compat.raise_as_lerobot():
        found: dict[str, Any] = lecompose.stats(dataset.root, images=not skip_image_video)
    stats = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    stats |= {name: said for name, said in found.items() if name not in _BOOKKEEPING}
    if relative_action and {"action", "observation.state"} <= dataset.meta.features.keys():
        stats["action"] = _compute_relative_stats(dataset, relative_exclude_joints, chunk_size, num_workers)
    with TemporaryDirectory(prefix="lecompose-") as folder, compat.raise_as_lerobot():
        written = Path(folder) / path.name
        written.write_text(json.dumps(stats, indent=4, ensure_ascii=False), encoding="utf-8")
        publish(written, path)
    dataset.meta.stats = _load_stats(dataset.root)
    return dataset


def _compute_relative_stats(
    dataset: LeRobotDataset, exclude: list[str] | None, chunk: int, workers: int
) -> dict[str, Any]:
    from lerobot.datasets.compute_stats import compute_relative_action_stats

    found = compute_relative_action_stats(
        hf_dataset=dataset.hf_dataset,
        features=dataset.meta.features,
        chunk_size=chunk,
        exclude_joints=["gripper"] if exclude is None else exclude,
        num_workers=workers,
    )
    return {stat: values.tolist() for stat, values in found.items()}


def _load_stats(root: Path) -> Any:
    from lerobot.datasets.io_utils import load_stats

    return load_stats(root)
