"""Everything that we need from LeRobot itself, imported at the first call."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lecompose.composition.report import Report
from lecompose.errors import ComposeError, OutputExists, SourceNotFound

if TYPE_CHECKING:
    from lerobot.configs.video import DepthEncoderConfig as DepthEncoderConfig
    from lerobot.configs.video import RGBEncoderConfig as RGBEncoderConfig
    from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata as LeRobotDatasetMetadata
    from lerobot.datasets.lerobot_dataset import LeRobotDataset as LeRobotDataset
else:
    LeRobotDataset: TypeAlias = Any
    LeRobotDatasetMetadata: TypeAlias = Any
    RGBEncoderConfig: TypeAlias = Any
    DepthEncoderConfig: TypeAlias = Any

_log = logging.getLogger(__name__)

# The keys of info.json that say how files are cut, and our options for them.
_LIMITS = {
    "data_files_size_in_mb": "data_mb",
    "video_files_size_in_mb": "video_mb",
    "chunks_size": "chunk_files",
}


def find_home() -> Path:
    """Return the folder where LeRobot keeps datasets that are given no folder."""
    from lerobot.utils.constants import HF_LEROBOT_HOME

    return Path(HF_LEROBOT_HOME)


def choose_folder(output_dir: str | Path | None, repo_id: str) -> Path:
    """Return the folder that an output goes to."""
    return find_home() / repo_id if output_dir is None else Path(output_dir)


def open_dataset(repo_id: str, root: Path, like: LeRobotDataset | None = None) -> LeRobotDataset:
    """Return the dataset in `root`, opened with the settings of `like`."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    if like is None:
        return LeRobotDataset(repo_id=repo_id, root=root)
    return LeRobotDataset(
        repo_id=repo_id,
        root=root,
        image_transforms=like.image_transforms,
        delta_timestamps=like.delta_timestamps,
        tolerance_s=like.tolerance_s,
    )


def reopen(dataset: LeRobotDataset) -> LeRobotDataset:
    """Return the same object, with what its folder holds now."""
    dataset.meta._load_metadata()
    if dataset.reader is not None:
        dataset.reader.load_and_activate()
    return dataset


def read_metadata(repo_id: str, root: Path | None) -> LeRobotDatasetMetadata:
    """Return the metadata of a dataset in a folder, or by name: from the Hub if it is not here."""
    from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata

    return LeRobotDatasetMetadata(repo_id, root=root)


def read_limits(*metas: LeRobotDatasetMetadata) -> dict[str, Any]:
    """Return the options for the file sizes on which all these datasets agree; others are left out."""
    found: dict[str, Any] = {}
    for key, option in _LIMITS.items():
        values = {getattr(meta, key) for meta in metas}
        if len(values) == 1 and None not in values:
            found[option] = values.pop()
    return found


def log_notes(report: Report) -> None:
    """Log what a run has noted."""
    for note in report.notes:
        _log.warning("%s", note)


@contextmanager
def raise_as_lerobot() -> Iterator[None]:
    """Raise ValueError in place of our errors, except for those that are an OSError in LeRobot too."""
    try:
        yield
    except (OutputExists, SourceNotFound):
        raise
    except ComposeError as error:
        raise ValueError(str(error)) from error
