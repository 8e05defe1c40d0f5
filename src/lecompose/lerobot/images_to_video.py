"""Convert the pictures in data files to videos, encoded by LeRobot itself.

The dataset is read through a stand-in, in which the pictures are videos already. The output is composed from
it and checked like any other.
"""

import dataclasses
import json
import shlex
from collections.abc import Iterable
from functools import partial
from itertools import chain
from operator import index
from pathlib import Path
from typing import Any

from lecompose.composition import plan
from lecompose.composition.destination import refuse_existing, single_destination
from lecompose.composition.named_sources import name_sources, output_folder
from lecompose.composition.pipeline import run_request
from lecompose.composition.request import Request
from lecompose.composition.settings import parse_options
from lecompose.dataset.catalog import locate
from lecompose.lerobot import compat
from lecompose.lerobot.compat import DepthEncoderConfig, LeRobotDataset, RGBEncoderConfig
from lecompose.lerobot.video_stand_in import Conversion


def convert_image_to_video_dataset(
    dataset: LeRobotDataset,
    output_dir: Path | None = None,
    repo_id: str | None = None,
    rgb_encoder: RGBEncoderConfig | None = None,
    depth_encoder: DepthEncoderConfig | None = None,
    episode_indices: list[int] | None = None,
    num_workers: int = 4,
    max_episodes_per_batch: int | None = None,
    max_frames_per_batch: int | None = None,
) -> LeRobotDataset:
    """Return a copy of a dataset with its pictures, the features `observation.image…`, in videos.

    Episodes are taken in the order of `episode_indices`, each once, and numbered from 0; by default all that
    the dataset was opened with. `num_workers` episodes are encoded at a time: their pictures are on disk
    meanwhile, some of one in memory. So memory is bounded, and the two `max_…` arguments change nothing.

    Raises:
        ValueError: if the dataset has no such pictures, or has videos, or an episode does not exist.
        FileExistsError: if the output exists.
        Exception: what LeRobot's encoder raises, with a note that names the episode.
    """
    cameras, episodes = _find_cameras(dataset), _list_episodes(dataset, episode_indices)
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}; at least 1 is needed")
    repo_id = f"{dataset.repo_id}_video" if repo_id is None else repo_id
    out = compat.choose_folder(output_dir, repo_id)
    usual = _read_default_encoders()
    rgb, depth = rgb_encoder or usual[0], depth_encoder or usual[1]
    conversion = Conversion(
        root=Path(dataset.root),
        encoders={name: depth if name in dataset.meta.depth_keys else rgb for name in cameras},
        episodes=episodes,
        workers=num_workers,
    )
    to = single_destination(output_folder(out))
    sql = f"select src_dataset, unnest({episodes}) as src_episode from datasets"
    request = Request(
        "convert_image_to_video",
        name_sources(conversion.root),
        to,
        partial(plan.compose, output=to.root.name, sql=sql),
        parse_options(**compat.read_limits(dataset.meta)),
        stand_in=conversion.write_stand_in,
        other_command=_build_command(dataset, out, episodes, rgb, depth),
    )
    with compat.raise_as_lerobot():
        refuse_existing(to, overwrite=False, roots=[locate(conversion.root)])  # before hours of encoding
        compat.log_notes(run_request(request))
    return compat.open_dataset(repo_id, out)


def _find_cameras(dataset: LeRobotDataset) -> list[str]:
    from lerobot.utils.constants import OBS_IMAGE

    if dataset.meta.video_keys:
        raise ValueError(f"{dataset.repo_id} has videos already: {', '.join(dataset.meta.video_keys)}")
    cameras = [name for name in dataset.meta.image_keys if name.startswith(OBS_IMAGE)]
    if not cameras:
        raise ValueError(f"{dataset.repo_id} has no pictures called {OBS_IMAGE}…")
    return cameras


def _list_episodes(dataset: LeRobotDataset, asked: Iterable[int] | None) -> list[int]:
    if asked is None:
        some = dataset.episodes
        return list(range(dataset.meta.total_episodes)) if some is None else sorted(set(some))
    episodes = list(dict.fromkeys(map(index, asked)))
    if not episodes:
        raise ValueError("no episode was asked for")
    return episodes


def _read_default_encoders() -> tuple[RGBEncoderConfig, DepthEncoderConfig]:
    from lerobot.configs.video import depth_encoder_defaults, rgb_encoder_defaults

    return rgb_encoder_defaults(), depth_encoder_defaults()


def _build_command(
    dataset: LeRobotDataset,
    out: Path,
    episodes: list[int],
    rgb: RGBEncoderConfig,
    depth: DepthEncoderConfig,
) -> str:
    """Return the request as a shell line; it holds only the name of the output, as always."""
    said: dict[str, Any] = {
        "repo_id": dataset.repo_id,
        "root": str(dataset.root),
        "new_root": output_folder(out).name,
        "operation.type": "convert_image_to_video",
    }
    if episodes != list(range(dataset.meta.total_episodes)):
        said["operation.episode_indices"] = episodes
    for name, encoder, usual in zip(("rgb", "depth"), (rgb, depth), _read_default_encoders(), strict=True):
        for setting, value in dataclasses.asdict(encoder).items():
            if value != getattr(usual, setting, None):
                said[f"operation.{name}_encoder.{setting}"] = value
    words = ((f"--{key}", v if isinstance(v, str) else json.dumps(v)) for key, v in said.items())
    return shlex.join(["python", "-m", "lecompose.lerobot", *chain.from_iterable(words)])
