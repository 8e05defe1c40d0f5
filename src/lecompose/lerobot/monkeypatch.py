"""Put our functions in the place of LeRobot's own, and take them out again."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# Where LeRobot defines each function. Other modules of it hold them by name too.
_HOMES = {
    "aggregate_datasets": "lerobot.datasets.aggregate",
    "merge_datasets": "lerobot.datasets.dataset_tools",
    "split_dataset": "lerobot.datasets.dataset_tools",
    "delete_episodes": "lerobot.datasets.dataset_tools",
    "modify_features": "lerobot.datasets.dataset_tools",
    "add_features": "lerobot.datasets.dataset_tools",
    "remove_feature": "lerobot.datasets.dataset_tools",
    "modify_tasks": "lerobot.datasets.dataset_tools",
    "recompute_stats": "lerobot.datasets.dataset_tools",
    "convert_image_to_video_dataset": "lerobot.datasets.dataset_tools",
    "convert_dataset": "lerobot.scripts.convert_dataset_v21_to_v30",
}
_replaced: list[tuple[ModuleType, str, Any]] = []


def install(*, reader: bool = False) -> None:
    """Replace LeRobot's functions by ours, wherever LeRobot itself refers to them by name.

    With `reader`, every LeRobotDataset opened from now on reads as `to_torch` does, and copies no data
    under $HF_HOME; those that are open keep LeRobot's reader. A script that imported a function before keeps
    LeRobot's: call this first.
    """
    ours = import_module("lecompose.lerobot")
    for name, home in _HOMES.items():
        _replace(home, name, getattr(ours, name))
    # LeRobot's own split is all that calls it, and scripts of some users.
    fractions = import_module("lecompose.lerobot.episodes").episodes_by_fraction
    _replace("lerobot.datasets.dataset_tools", "_fractions_to_episode_indices", fractions)
    if reader:
        _replace(
            "lerobot.datasets.dataset_reader",
            "DatasetReader",
            import_module("lecompose.lerobot.reader").LeRobotReader,
        )


def uninstall() -> None:
    """Give LeRobot its own functions, and its reader, back."""
    while _replaced:
        module, name, own = _replaced.pop()
        setattr(module, name, own)


def _replace(home: str, name: str, ours: Any) -> None:
    own = getattr(import_module(home), name)
    if own is ours:
        return
    # A class stays where it is defined: pickle looks for those of objects that are there already.
    stays = home if isinstance(own, type) else None
    for module in _list_modules():
        if getattr(module, name, None) is own and module.__name__ != stays:
            _replaced.append((module, name, own))
            setattr(module, name, ours)


def _list_modules() -> list[ModuleType]:
    return [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "lerobot"]
