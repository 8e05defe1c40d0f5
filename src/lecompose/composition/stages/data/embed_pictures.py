"""Put pictures into data files that were in files of their own, named by path."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from lecompose.composition.jobs import DataFileJob, EpisodeRows
from lecompose.errors import SourceBroken
from lecompose.files.picture_files import read_picture


def list_embedded(job: DataFileJob) -> list[str]:
    """Return the features of a job whose pictures may be in files of their own."""
    if all(columns.picture_root is None for columns in job.sources.values()):
        return []
    return [feature.name for feature in job.features if feature.dtype == "image"]


def embed_pictures(
    job: DataFileJob, pictures: pa.StructArray, episode_of: Callable[[int], EpisodeRows]
) -> pa.StructArray:
    """Return a column of pictures with the bytes of those that were paths; what is null stays null.

    `episode_of` gives the episode of a row.

    Raises:
        SourceBroken: if a file is missing, or holds no picture.
    """
    if not pictures.field("bytes").null_count:
        return pictures
    cells = [
        _embed(job, cell, episode_of(row)) if _is_path(cell) else cell
        for row, cell in enumerate(pictures.to_pylist())
    ]
    return pa.array(cells, pictures.type)


def _is_path(cell: Any) -> bool:
    return cell is not None and cell["bytes"] is None and cell["path"] is not None


def _embed(job: DataFileJob, cell: dict[str, Any], episode: EpisodeRows) -> dict[str, Any]:
    root, path = job.sources[episode.src_dataset].picture_root, cell["path"]
    if root is None:
        raise SourceBroken(f"{episode.title}: a picture is only a path", path=path)
    try:
        data = read_picture(Path(root), path)
    except SourceBroken as error:
        error.episode = episode.src_episode
        raise
    return {"bytes": data, "path": PurePosixPath(path.replace("\\", "/")).name}
