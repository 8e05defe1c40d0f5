"""Functions that move whole episodes: merge, split, delete, convert."""

import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import lecompose
from lecompose.composition.plan.largest_remainder import apportion
from lecompose.dataset.catalog.source import is_dataset
from lecompose.lerobot import compat
from lecompose.lerobot.compat import LeRobotDataset

_log = logging.getLogger(__name__)


def aggregate_datasets(
    repo_ids: list[str],
    aggr_repo_id: str,
    roots: list[Path] | None = None,
    aggr_root: Path | None = None,
    data_files_size_in_mb: int | None = None,
    video_files_size_in_mb: int | None = None,
    chunk_size: int | None = None,
    concatenate_videos: bool = True,
    concatenate_data: bool = True,
) -> None:
    """Write all episodes of some datasets to `aggr_root`, or to LeRobot's home under `aggr_repo_id`.

    Without `roots`, datasets are looked up by name, and fetched from the Hub if they are not here. Sizes
    that are not given are those on which all sources agree, else LeRobot's defaults.
    Units: MB are 2**20 bytes per file.

    Raises:
        ValueError: if the sources differ; it names every difference.
        FileExistsError: if the output exists.
        FileNotFoundError: if a source is missing.
    """
    folders = [None] * len(repo_ids) if roots is None else list(roots)
    metas = [compat.read_metadata(*pair) for pair in zip(repo_ids, folders, strict=False)]
    asked = {
        "data_mb": data_files_size_in_mb,
        "video_mb": video_files_size_in_mb,
        "chunk_files": chunk_size,
        "concatenate_data": concatenate_data,
        "concatenate_videos": concatenate_videos,
    }
    options = compat.read_limits(*metas) | {name: value for name, value in asked.items() if value is not None}
    _merge([meta.root for meta in metas], compat.choose_folder(aggr_root, aggr_repo_id), options)


def merge_datasets(
    datasets: list[LeRobotDataset],
    output_repo_id: str,
    output_dir: str | Path | None = None,
    concatenate_videos: bool = True,
    concatenate_data: bool = True,
) -> LeRobotDataset:
    """Return a dataset of all episodes of some datasets.

    If one of them was opened with `episodes`, only those are taken.

    Raises:
        ValueError: if the sources differ; it names every difference.
        FileExistsError: if the output exists.
    """
    if not datasets:
        raise ValueError("No datasets to merge")
    out = compat.choose_folder(output_dir, output_repo_id)
    options = compat.read_limits(*(dataset.meta for dataset in datasets))
    options |= {"concatenate_videos": concatenate_videos, "concatenate_data": concatenate_data}
    _merge(datasets, out, options)
    return compat.open_dataset(output_repo_id, out, datasets[0])


def _merge(sources: Sequence[Any], out: Path, options: dict[str, Any]) -> None:
    with compat.raise_as_lerobot():
        compat.log_notes(lecompose.merge(sources, out=out, **options))


def delete_episodes(
    dataset: LeRobotDataset,
    episode_indices: list[int],
    output_dir: str | Path | None = None,
    repo_id: str | None = None,
) -> LeRobotDataset:
    """Return a copy of a dataset without some of its episodes.

    Raises:
        ValueError: if an episode does not exist, or none would be left.
        FileExistsError: if the output exists.
    """
    if not episode_indices:
        raise ValueError("No episodes to delete")
    _refuse_unknown(dataset, episode_indices)
    if len(set(episode_indices)) == dataset.meta.total_episodes:
        raise ValueError("Cannot delete all episodes from dataset")
    repo_id = f"{dataset.repo_id}_modified" if repo_id is None else repo_id
    out = compat.choose_folder(output_dir, repo_id)
    with compat.raise_as_lerobot():
        compat.log_notes(
            lecompose.delete(
                dataset.root, out=out, episodes=episode_indices, **compat.read_limits(dataset.meta)
            )
        )
    return compat.open_dataset(repo_id, out, dataset)


def split_dataset(
    dataset: LeRobotDataset,
    splits: dict[str, float | list[int]],
    output_dir: str | Path | None = None,
) -> dict[str, LeRobotDataset]:
    """Return one dataset per split, of the episodes named, or of a fraction of them in their order.

    Counts of fractions are exact by largest remainder; the episodes left over are in no split.

    Raises:
        ValueError: if splits share episodes, are empty or sum to over 1.
        FileExistsError: if an output exists.
    """
    if not splits:
        raise ValueError("No splits provided")
    chosen = _choose_episodes(dataset.meta.total_episodes, splits)
    used: set[int] = set()
    for name, episodes in chosen.items():
        if not episodes:
            raise ValueError(f"Split '{name}' has no episodes")
        if used & set(episodes):
            raise ValueError("Episodes cannot appear in multiple splits")
        used |= set(episodes)
    _refuse_unknown(dataset, used)
    folder, names = _choose_folders(dataset, chosen, output_dir)
    into = {names[split]: episodes for split, episodes in chosen.items()}
    with compat.raise_as_lerobot():
        compat.log_notes(
            lecompose.split(dataset.root, out=folder, into=into, **compat.read_limits(dataset.meta))
        )
    return {
        split: compat.open_dataset(f"{dataset.repo_id}_{split}", folder / names[split], dataset)
        for split in chosen
    }


def _choose_episodes(total: int, splits: dict[str, Any]) -> dict[str, list[int]]:
    if all(isinstance(share, float) for share in splits.values()):
        return episodes_by_fraction(total, splits)
    return {name: list(episodes) for name, episodes in splits.items()}


def episodes_by_fraction(total_episodes: int, splits: dict[str, float]) -> dict[str, list[int]]:
    """Return the episodes of each split, the first ones to the first; a split without episodes is left out.

    Raises:
        ValueError: if the fractions sum to over 1.
    """
    shares = [Fraction(str(share)) for share in splits.values()]
    if sum(shares) > 1:
        raise ValueError("Split fractions must sum to <= 1.0")
    chosen, start = {}, 0
    for name, count in zip(splits, apportion(total_episodes, shares), strict=True):
        if count:
            chosen[name] = list(range(start, start + count))
        else:
            _log.warning("Split '%s' has no episodes, skipping...", name)
        start += count
    return chosen


def _choose_folders(
    dataset: LeRobotDataset, splits: dict[str, list[int]], output_dir: str | Path | None
) -> tuple[Path, dict[str, str]]:
    """Return the folder that all splits go to, and the name of each there."""
    if output_dir is not None:
        return Path(output_dir), {name: name for name in splits}
    repo = compat.find_home() / dataset.repo_id
    return repo.parent, {name: f"{repo.name}_{name}" for name in splits}


def _refuse_unknown(dataset: LeRobotDataset, episodes: Any) -> None:
    unknown = set(episodes) - set(range(dataset.meta.total_episodes))
    if unknown:
        raise ValueError(f"Invalid episode indices: {unknown}")


# v2.1 → v3.0 --------------------------------------------------------------------------------------


def convert_dataset(
    repo_id: str,
    branch: str | None = None,
    data_file_size_in_mb: int | None = None,
    video_file_size_in_mb: int | None = None,
    root: str | Path | None = None,
    push_to_hub: bool = True,
    force_conversion: bool = False,
) -> None:
    """Convert a v2.1 dataset to v3.0, in place; the old one is kept in the folder NAME_old beside it.

    A dataset that is not here is fetched from the Hub, as v3.0 if the Hub has that, unless forced.
    Units: MB are 2**20 bytes per file.

    Raises:
        ValueError: if the dataset has another version.
        FileNotFoundError: if it is neither here nor on the Hub.
    """
    from lerobot.datasets.utils import DEFAULT_DATA_FILE_SIZE_IN_MB, DEFAULT_VIDEO_FILE_SIZE_IN_MB

    if root is None and not force_conversion and _fetch(repo_id, "v3.0", compat.find_home() / repo_id):
        return
    place = compat.choose_folder(root, repo_id)
    old, new = place.with_name(f"{place.name}_old"), place.with_name(f"{place.name}_v30")
    if is_dataset(old) and not is_dataset(place):
        old.rename(place)  # an earlier conversion was stopped between its two renames
    if is_dataset(place):
        _refuse_version(place)
    elif not _fetch(repo_id, "v2.1", place):
        raise FileNotFoundError(f"no dataset {repo_id}, neither here nor on the Hub. ({place})")
    data_mb = data_file_size_in_mb or DEFAULT_DATA_FILE_SIZE_IN_MB
    video_mb = video_file_size_in_mb or DEFAULT_VIDEO_FILE_SIZE_IN_MB
    with compat.raise_as_lerobot():
        compat.log_notes(lecompose.merge(place, out=new, overwrite=True, data_mb=data_mb, video_mb=video_mb))
    place.rename(old)
    new.rename(place)
    if push_to_hub:
        _push(repo_id, branch)


def _refuse_version(root: Path) -> None:
    from lerobot.scripts.convert_dataset_v21_to_v30 import validate_local_dataset_version

    validate_local_dataset_version(root)


def _fetch(repo_id: str, version: str, to: Path) -> bool:
    """Fetch a dataset of that version from the Hub into a folder, and return whether the Hub had it."""
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(repo_id, repo_type="dataset", revision=version, local_dir=to)
    except Exception as error:
        _log.info("no %s of %s on the Hub: %s", version, repo_id, error)
        return False
    return True


def _push(repo_id: str, branch: str | None) -> None:
    """Replace the dataset on the Hub, tagged as v3.0."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    hub = HfApi()
    try:
        hub.delete_tag(repo_id, tag="v3.0", repo_type="dataset")
    except HfHubHTTPError as error:
        _log.info("no tag v3.0 to take away: %s", error)
    old = ["data/chunk*/episode_*", "meta/*.jsonl", "videos/chunk*"]
    hub.delete_files(delete_patterns=old, repo_id=repo_id, revision=branch, repo_type="dataset")
    hub.create_tag(repo_id, tag="v3.0", revision=branch, repo_type="dataset")
    LeRobotDataset(repo_id).push_to_hub()
