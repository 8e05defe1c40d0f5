"""Writes a dataset of format v3.0 around files that stay where they are: new metadata, links to the rest."""

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.repair.episodes import Salvage, SoundEpisode
from lecompose.checks.repair.features import Features
from lecompose.dataset.catalog import LINEAGE_PATH, Source
from lecompose.dataset.catalog.custom_columns import CustomValues

# Kept as they are where they can be read.
_BESIDE = (LINEAGE_PATH, formats.SUBTASKS_PATH, "meta/modality.json", "README.md")
# What of info.json is about files, and no longer true.
_OF_FILES = ("codebase_version", "features", "data_path", "video_path", "chunks_size", "splits", "fps")


def write(
    source: Source,
    features: Features,
    salvage: Salvage,
    custom: CustomValues | None,
    stats: pa.Table | None,
    root: Path,
) -> Path:
    """Write the sound episodes as a dataset in `root`, and return it; they keep their numbers."""
    cameras = [f.name for f in features.features if f.is_video and f.name in salvage.episodes[0].clips]
    kept = [f for f in features.features if not f.is_video or f.name in cameras]
    _write_info(source, kept, salvage, root)
    _write_tasks(salvage, root)
    columns = _columns(source, salvage.episodes, cameras, root)
    table = pa.table(columns | _custom(custom, salvage.episodes) | _stats(stats, salvage.episodes))
    path = root / formats.EPISODES_PATH.format(chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    for name in _BESIDE:
        if (source.root / name).is_file():
            (root / name).symlink_to(source.root / name)
    return root


def _write_info(source: Source, kept: Sequence[Any], salvage: Salvage, root: Path) -> None:
    info = {
        **{key: value for key, value in source.info.items() if key not in _OF_FILES},
        "codebase_version": formats.V30,
        "fps": source.info["fps"],
        "features": {f.name: dict(f.spec) for f in kept},
        "total_episodes": len(salvage.episodes),
        "total_frames": sum(e.length for e in salvage.episodes),
        "total_tasks": len(salvage.texts),
        "chunks_size": formats.CHUNK_FILES,
        "data_path": formats.DATA_PATH,
        "video_path": formats.VIDEO_PATH,
    }
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")


def _write_tasks(salvage: Salvage, root: Path) -> None:
    numbers = sorted(salvage.texts)
    columns = {
        "task_index": pa.array(numbers, pa.int64()),
        "task": pa.array([salvage.texts[n] for n in numbers], pa.string()),
    }
    pq.write_table(pa.table(columns), root / "meta/tasks.parquet")


def _columns(
    source: Source, episodes: Sequence[SoundEpisode], cameras: Sequence[str], root: Path
) -> dict[str, pa.Array]:
    ends = list(accumulate(e.length for e in episodes))
    columns: dict[str, Sequence[Any]] = {
        "episode_index": [e.episode for e in episodes],
        "tasks": [list(e.tasks) for e in episodes],
        "length": [e.length for e in episodes],
        "dataset_from_index": [end - e.length for e, end in zip(episodes, ends, strict=True)],
        "dataset_to_index": ends,
        "meta/episodes/chunk_index": [0] * len(episodes),
        "meta/episodes/file_index": [0] * len(episodes),
        **_linked(root, formats.DATA_PATH, "data", [e.data_file for e in episodes]),
    }
    for camera in cameras:
        clips = [e.clips[camera] for e in episodes]
        template = formats.VIDEO_PATH.replace("{video_key}", _literal(camera))
        spans = [
            (clip.from_frame, clip.from_frame + e.length) for clip, e in zip(clips, episodes, strict=True)
        ]
        columns |= _linked(root, template, f"videos/{camera}", [clip.video_file for clip in clips])
        columns[f"videos/{camera}/from_timestamp"] = [first / float(source.fps) for first, _ in spans]
        columns[f"videos/{camera}/to_timestamp"] = [end / float(source.fps) for _, end in spans]
    return {name: pa.array(values) for name, values in columns.items()}


def _linked(root: Path, template: str, family: str, files: Sequence[Path]) -> dict[str, list[int]]:
    """Link files under their new names, and return the pointers to them."""
    places = {file: n for n, file in enumerate(dict.fromkeys(files))}
    for file, number in places.items():
        link = root / template.format(
            chunk_index=number // formats.CHUNK_FILES, file_index=number % formats.CHUNK_FILES
        )
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    return {
        f"{family}/chunk_index": [places[file] // formats.CHUNK_FILES for file in files],
        f"{family}/file_index": [places[file] % formats.CHUNK_FILES for file in files],
    }


def _literal(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")


def _custom(share: CustomValues | None, episodes: Sequence[SoundEpisode]) -> dict[str, pa.Array]:
    """Return the dataset's own columns of the episodes."""
    if share is None:
        return {}
    rows = {number: row for row, number in enumerate(share.episodes.to_pylist())}
    wanted = pa.array([rows.get(e.episode) for e in episodes], pa.int64())
    return {name: column.take(wanted).combine_chunks() for name, column in share.columns.items()}


def _stats(stats: pa.Table | None, episodes: Sequence[SoundEpisode]) -> dict[str, pa.Array]:
    """Return the statistics of the episodes, null where the length has changed."""
    if stats is None:
        return {}
    rows = {number: row for row, number in enumerate(stats["src_episode"].to_pylist())}
    wanted = pa.array([None if e.is_changed else rows.get(e.episode) for e in episodes], pa.int64())
    names = [name for name in stats.column_names if "/" in name]
    taken = {f"stats/{name}": stats[name].take(wanted).combine_chunks() for name in names}
    return {name: column for name, column in taken.items() if column.null_count < len(column)}
