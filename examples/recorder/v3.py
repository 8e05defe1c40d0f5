"""Format v3.0: many episodes share a file, and meta/episodes says where each one lies."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recorder import camera, stats, tables
from recorder.robot import Robot

DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
ROWS_AT_ONCE = 10  # LeRobot writes its buffer of episode rows when it holds ten

Row = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How much goes into one file; None: everything."""

    data_frames: int | None
    video_frames: int | Mapping[str, int] | None
    meta_episodes: int | None
    chunks_size: int

    def of_camera(self, key: str) -> int | None:
        """Frames in one video file of this camera."""
        return self.video_frames.get(key) if isinstance(self.video_frames, Mapping) else self.video_frames


@dataclass
class Files:
    """Deals out places in a family of files: the next file once the present one would be overfull."""

    limit: int | None
    chunks_size: int
    number: int = 0
    filled: int = 0

    def place(self, amount: int) -> tuple[int, int, int]:
        """Chunk, file, and how much lies in that file before."""
        if self.limit is not None and self.filled and self.filled + amount > self.limit:
            self.number, self.filled = self.number + 1, 0
        before, self.filled = self.filled, self.filled + amount
        return self.number // self.chunks_size, self.number % self.chunks_size, before


def write(root: Path, robot: Robot, *, limits: Limits, with_stats: bool, quantiles: bool) -> None:
    """Writes the whole dataset into `root`: first every place is fixed, then file after file is filled."""
    rows = _places(robot, limits)
    features = robot.features(_video_info(robot))
    numbers = _write_data(root, robot, rows, features, quantiles=quantiles)
    for key in robot.cameras:
        _write_videos(root, robot, rows, key)
    if with_stats:
        for row, parts in zip(rows, numbers, strict=True):
            row |= _flat(parts)
        pooled = {name: stats.as_lists(part) for name, part in stats.pool_all(numbers).items()}
        tables.write_json(root / "meta/stats.json", pooled)
    _write_episodes(root, rows)
    _write_tasks(root, list(robot.task_numbers))
    tables.write_json(root / "meta/info.json", _info(robot, features, limits.chunks_size))


def _places(robot: Robot, limits: Limits) -> list[Row]:
    data = Files(limits.data_frames, limits.chunks_size)
    meta = Files(limits.meta_episodes, limits.chunks_size)
    videos = {key: Files(limits.of_camera(key), limits.chunks_size) for key in robot.cameras}
    rows = []
    for episode, length in enumerate(robot.lengths):
        chunk, file, _ = data.place(length)
        row = {
            "episode_index": episode,
            "tasks": robot.episode_tasks(episode),
            "length": length,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": robot.starts[episode],
            "dataset_to_index": robot.starts[episode + 1],
        }
        for key, files in videos.items():
            chunk, file, before = files.place(length)
            row[f"videos/{key}/chunk_index"] = chunk
            row[f"videos/{key}/file_index"] = file
            row[f"videos/{key}/from_timestamp"] = before / robot.fps
            row[f"videos/{key}/to_timestamp"] = (before + length) / robot.fps
        row["meta/episodes/chunk_index"], row["meta/episodes/file_index"], _ = meta.place(1)
        rows.append(row)
    return rows


def _write_data(
    root: Path, robot: Robot, rows: list[Row], features: dict[str, Any], *, quantiles: bool
) -> list[dict[str, stats.Stats]]:
    """Writes the data files; gives the statistics of each episode, taken in passing."""
    schema = tables.data_schema(features, list_name="List")
    numbers = []

    def episode_tables(members: list[Row]) -> Iterator[pa.Table]:
        for row in members:
            table, columns = tables.data_table(robot, row["episode_index"], schema)
            parts = stats.of_episode(robot, row["episode_index"], columns, quantiles=quantiles)
            numbers.append({name: _doubles(part) for name, part in parts.items()})
            yield table

    for where, members in _by_file(rows, "data"):
        tables.write_parquet(root / DATA.format(**where), episode_tables(members), schema)
    return numbers


def _write_videos(root: Path, robot: Robot, rows: list[Row], key: str) -> None:
    for where, members in _by_file(rows, f"videos/{key}"):
        clips = [robot.clip(key, row["episode_index"]) for row in members]
        camera.join(clips, root / VIDEO.format(video_key=key, **where))


def _write_episodes(root: Path, rows: list[Row]) -> None:
    for where, members in _by_file(rows, "meta/episodes"):
        own_last = [_with_own_place_last(row) for row in members]
        table = pa.Table.from_pylist(own_last)
        groups = (table.slice(first, ROWS_AT_ONCE) for first in range(0, len(table), ROWS_AT_ONCE))
        tables.write_parquet(root / EPISODES.format(**where), groups, table.schema)


def _write_tasks(root: Path, tasks: list[str]) -> None:
    """Writes tasks.parquet: to pandas, and so to LeRobot, the column `task` is the index."""
    table = pa.table(
        {"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())}
    )
    column = {"metadata": None, "pandas_type": "int64", "numpy_type": "int64"}
    text = {"metadata": None, "pandas_type": "unicode", "numpy_type": "object"}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [{"name": None, "field_name": None, **text, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **column},
            {"name": "task", "field_name": "task", **text},
        ],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }
    schema = table.schema.with_metadata({"pandas": json.dumps(pandas)})
    tables.write_parquet(root / "meta/tasks.parquet", [table.cast(schema)], schema)


def _info(robot: Robot, features: dict[str, Any], chunks_size: int) -> dict[str, Any]:
    episodes = len(robot.lengths)
    return {
        "codebase_version": "v3.0",
        "fps": robot.fps,
        "features": features,
        "total_episodes": episodes,
        "total_frames": sum(robot.lengths),
        "total_tasks": len(robot.task_numbers),
        "chunks_size": chunks_size,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "data_path": DATA,
        "video_path": VIDEO if robot.cameras else None,
        "robot_type": robot.type,
        "splits": {"train": f"0:{episodes}"} if episodes else {},
    }


def _video_info(robot: Robot) -> dict[str, Any]:
    width, height = robot.size
    encoder = camera.encoder(robot.codec)
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": encoder.stream,
        "video.pix_fmt": "yuv420p",
        "video.fps": robot.fps,
        "video.channels": 3,
        "has_audio": False,
        "video.g": robot.gop,
        "video.crf": robot.crf,
        "video.preset": encoder.preset,
        "video.fast_decode": 0,
        "video.video_backend": "pyav",
        "video.extra_options": {},
        "is_depth_map": False,
    }


def _by_file(rows: list[Row], family: str) -> Iterator[tuple[dict[str, int], list[Row]]]:
    """Each file of a family with its episodes; neighbours share a file, so `groupby` needs no sorting."""
    place = itemgetter(f"{family}/chunk_index", f"{family}/file_index")
    for (chunk, file), members in groupby(rows, key=place):
        yield {"chunk_index": chunk, "file_index": file}, list(members)


def _doubles(part: stats.Stats) -> stats.Stats:
    """v3.0 holds all numbers but counts as doubles; v2.1 keeps the feature's own type."""
    return {name: array if name == "count" else array.astype(np.float64) for name, array in part.items()}


def _flat(parts: dict[str, stats.Stats]) -> Row:
    """Statistics as columns of meta/episodes."""
    order = ("min", "max", "mean", "std", "count", *stats.QUANTILES)
    return {
        f"stats/{feature}/{name}": part[name].tolist()
        for feature, part in parts.items()
        for name in order
        if name in part
    }


def _with_own_place_last(row: Row) -> Row:
    own = {name: row[name] for name in row if name.startswith("meta/episodes/")}
    return {name: row[name] for name in row if name not in own} | own
