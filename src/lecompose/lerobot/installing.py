"""Puts our functions where LeRobot's own are, and takes them out again."""

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


def install() -> None:
    """From here on LeRobot's functions are ours, wherever LeRobot itself has them by name.

    A script that imported one of them before keeps LeRobot's: call this first.
    """
    if _replaced:
        return
    ours = import_module("lecompose.lerobot")
    for name, home in _HOMES.items():
        own = getattr(import_module(home), name)
        for module in _modules():
            if getattr(module, name, None) is own:
                _replaced.append((module, name, own))
                setattr(module, name, getattr(ours, name))


def uninstall() -> None:
    """LeRobot's functions are its own again."""
    while _replaced:
        module, name, own = _replaced.pop()
        setattr(module, name, own)


def _modules() -> list[ModuleType]:
    return [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "lerobot"]
