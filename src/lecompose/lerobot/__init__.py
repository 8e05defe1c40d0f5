"""LeRobot's dataset functions, carried out by lecompose: same names, arguments, defaults and returns.

    from lecompose.lerobot import merge_datasets          # instead of lerobot.datasets
    merged = merge_datasets([a, b], "me/merged")          # LeRobotDataset objects in and out

    lecompose.lerobot.install()                           # or: every script that calls LeRobot's own
    python -m lecompose.lerobot --operation.type=merge …  # or: lerobot-edit-dataset

LeRobot is imported when one of them is called, never before.
Source: LeRobot 0.6.1.
"""

from lecompose.lerobot.episodes import (
    aggregate_datasets,
    convert_dataset,
    delete_episodes,
    merge_datasets,
    split_dataset,
)
from lecompose.lerobot.features import add_features, modify_features, remove_feature
from lecompose.lerobot.images_to_video import convert_image_to_video_dataset
from lecompose.lerobot.monkeypatch import install, uninstall
from lecompose.lerobot.tasks_and_stats import modify_tasks, recompute_stats

__all__ = [
    "add_features",
    "aggregate_datasets",
    "convert_dataset",
    "convert_image_to_video_dataset",
    "delete_episodes",
    "install",
    "merge_datasets",
    "modify_features",
    "modify_tasks",
    "recompute_stats",
    "remove_feature",
    "split_dataset",
    "uninstall",
]
