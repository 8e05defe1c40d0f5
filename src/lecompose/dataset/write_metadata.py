"""Writes meta/ of a dataset of format v3.0 from a typed description of it.

No other module knows how info.json, tasks.parquet, subtasks.parquet, stats.json and meta/episodes are laid
out: their keys and columns, the order and types of these, and what stands in them by default.

Source: what LeRobot 0.6.1 records.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.dataset.catalog import CustomColumn
from lecompose.engine import Engine
from lecompose.errors import OutputUnwritable
from lecompose.formats import Feature, Limits

# What info.json says of the files; every other key is the user's.
INFO_KEYS = (
    *("codebase_version", "fps", "features", "robot_type", "splits", "chunks_size", "storage_format"),
    *("total_episodes", "total_frames", "total_tasks", "total_videos", "total_chunks"),
    *("data_files_size_in_mb", "video_files_size_in_mb", "data_path", "video_path"),
)

EPISODE_ROWS = pa.schema(
    {
        "out_dataset": pa.string(),
        "src_dataset": pa.string(),
        "src_episode": pa.int64(),
        "episode_index": pa.int64(),
        "tasks": pa.list_(pa.string()),
        "length": pa.int64(),
        "data/chunk_index": pa.int64(),
        "data/file_index": pa.int64(),
        "dataset_from_index": pa.int64(),
        "dataset_to_index": pa.int64(),
    }
)
"""Which episode of which source an episode is, and what meta/episodes says of it beside its videos."""

_KEYS = ("out_dataset", "src_dataset", "src_episode")
# Rows of files that are written, and how many of them are held at a time where files are small.
_ROWS, _TOGETHER_EPISODES = "rows_of_files", 2_000
_CLIP_KEYS = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")

Column: TypeAlias = pa.Array | pa.ChunkedArray
Texts: TypeAlias = Mapping[int, str]
"""Texts by their numbers, in order."""


@dataclass(frozen=True)
class DatasetInfo:
    """What info.json says, but for the number of tasks; `other` are the keys that LeRobot does not know.

    `features` has the entry of each feature. Units: `fps`, frames a second.
    """

    fps: Fraction
    features: Mapping[str, Mapping[str, Any]]
    robot_type: str | None
    episodes: int
    frames: int
    limits: Limits = field(default_factory=Limits)
    data_path: str = formats.DATA_PATH
    other: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipPointers:
    """Where a camera's clips are, one an episode: the frames [from_frame, to_frame) of a video file."""

    chunk_index: Sequence[int | None]
    file_index: Sequence[int | None]
    from_frame: Sequence[int]
    to_frame: Sequence[int]


@dataclass(frozen=True)
class StatColumn:
    """A column of statistics, `name`, and what meta/episodes calls it.

    `kind` is "count" for whole numbers, "nested" for pictures' (channels, 1, 1), else "plain". `size` is how
    many numbers an episode has there, at most.
    """

    name: str
    stored_as: str
    kind: Literal["count", "nested", "plain"]
    size: int


@dataclass(frozen=True)
class EpisodesFile:
    """A file of meta/episodes, and the first and last episode in it."""

    chunk_index: int
    file_index: int
    first_episode: int
    last_episode: int


@dataclass(frozen=True)
class Episodes:
    """The episodes of some datasets, as relations of `engine`.

    `rows` are `make_episode_rows`. `stats` has `out_dataset`, `out_episode`, and the `stat_columns` as flat
    lists. `custom_columns` are in the catalog's relation `custom`.
    """

    engine: Engine
    rows: str
    cameras: Sequence[str]
    stats: str
    stat_columns: Sequence[StatColumn]
    custom_columns: Sequence[CustomColumn] = ()


@dataclass(frozen=True)
class Metadata:
    """All that meta/ of one dataset says, but for stats.json; `name` is its `out_dataset` in `episodes`.

    `subtasks` is None where no feature numbers any. `other_files` are others' metadata by relative path.
    """

    name: str
    info: DatasetInfo
    tasks: Texts
    episodes: Episodes
    episodes_files: Sequence[EpisodesFile]
    subtasks: Texts | None = None
    other_files: Mapping[str, bytes] = field(default_factory=dict)


def write_metadata(metadata: Metadata, folder: Path) -> None:
    """Write meta/ of a dataset in `folder`.

    Raises:
        OutputUnwritable: if a file cannot be written.
    """
    with _writing("metadata", folder):
        (folder / "meta").mkdir(parents=True, exist_ok=True)
        _write_info(metadata.info, len(metadata.tasks), folder)
        _write_texts(metadata.tasks, "task", folder / formats.TASKS_PATH)
        if metadata.subtasks is not None:
            _write_texts(metadata.subtasks, "subtask", folder / formats.SUBTASKS_PATH)
        for name, content in metadata.other_files.items():
            folder.joinpath(name).write_bytes(content)
        _write_episodes(metadata, folder)


def write_stats(stats: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write stats.json: the statistics of each feature over the dataset in `folder`.

    Raises:
        OutputUnwritable: if it cannot be written.
    """
    path = folder / formats.STATS_PATH
    with _writing("statistics", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_json(stats, path)


@contextmanager
def _writing(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(f"cannot write {what}", reason=error, path=path) from error


def _write_json(value: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")


# info.json --------------------------------------------------------------------------------------


def _write_info(info: DatasetInfo, tasks: int, folder: Path) -> None:
    limits = info.limits
    has_videos = any(entry["dtype"] == "video" for entry in info.features.values())
    content = {
        "codebase_version": formats.V30,
        "fps": _as_whole(float(info.fps)),
        "features": {name: dict(entry) for name, entry in info.features.items()},
        "total_episodes": info.episodes,
        "total_frames": info.frames,
        "total_tasks": tasks,
        "chunks_size": limits.chunk_files,
        "data_files_size_in_mb": _as_whole(limits.data_mb),
        "video_files_size_in_mb": _as_whole(limits.video_mb),
        "data_path": info.data_path,
        "video_path": formats.VIDEO_PATH if has_videos else None,
        "robot_type": info.robot_type,
        "splits": {"train": f"0:{info.episodes}"},
        **info.other,
    }
    _write_json(content, folder / formats.INFO_PATH)


def _as_whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


# tasks.parquet, subtasks.parquet ----------------------------------------------------------------


def _write_texts(texts: Texts, name: str, path: Path) -> None:
    """Write texts and their numbers, as `task` and `task_index` or the like."""
    schema = pa.schema(
        [(f"{name}_index", pa.int64()), (name, pa.string())],
        metadata={"pandas": json.dumps(_describe_pandas_index(name))},
    )
    columns = [pa.array(texts.keys(), pa.int64()), pa.array(texts.values(), pa.string())]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)


def _describe_pandas_index(text: str) -> dict[str, Any]:
    """Schema metadata that makes `text` the index of the pandas frame: LeRobot finds tasks by it.

    Source: the pandas metadata specification of Arrow; LeRobot 0.6.1 reads `tasks.iloc[i].name`.
    """

    def column(
        name: str | None, pandas_type: str, numpy_type: str, metadata: object = None
    ) -> dict[str, object]:
        return {
            "name": name,
            "field_name": name,
            "pandas_type": pandas_type,
            "numpy_type": numpy_type,
            "metadata": metadata,
        }

    return {
        "index_columns": [text],
        "column_indexes": [column(None, "unicode", "object", {"encoding": "UTF-8"})],
        "columns": [column(f"{text}_index", "int64", "int64"), column(text, "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.3",
    }


# meta/episodes ----------------------------------------------------------------------------------


def make_episode_rows(
    columns: Mapping[str, Column | Sequence[Any]], clips: Mapping[str, ClipPointers], *, fps: Fraction
) -> pa.Table:
    """Return the rows of episodes: the `columns` of `EPISODE_ROWS`, and where each camera's clips are."""
    rows = pa.table({name: columns[name] for name in EPISODE_ROWS.names}, EPISODE_ROWS)
    rate = float(fps)
    for camera, of_camera in clips.items():
        values = (
            pa.array(of_camera.chunk_index, pa.int64()),
            pa.array(of_camera.file_index, pa.int64()),
            pa.array([frame / rate for frame in of_camera.from_frame], pa.float64()),
            pa.array([frame / rate for frame in of_camera.to_frame], pa.float64()),
        )
        for key, column in zip(_CLIP_KEYS, values, strict=True):
            rows = rows.append_column(f"videos/{camera}/{key}", column)
    return rows


def stat_column(feature: Feature, stat: str) -> StatColumn:
    """Return how meta/episodes stores a statistic of a feature."""
    name = f"{feature.name}/{stat}"
    kind: Literal["count", "nested", "plain"] = "nested" if feature.is_visual else "plain"
    return StatColumn(name, f"stats/{name}", "count" if stat == "count" else kind, feature.stat_size)


def _write_episodes(metadata: Metadata, folder: Path) -> None:
    """Write the files of meta/episodes; the rows of small ones are put together for several at a time."""
    engine, context = metadata.episodes.engine, _describe_columns(metadata.episodes)
    for some in _batch_files(metadata.episodes_files):
        span = {"first_episode": some[0].first_episode, "last_episode": some[-1].last_episode}
        engine.table(_ROWS, "write/episodes_of_files", context, out_dataset=metadata.name, **span)
        try:
            for file in some:
                name = formats.EPISODES_PATH.format(chunk_index=file.chunk_index, file_index=file.file_index)
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                engine.run("write/episodes", {"rows": _ROWS}, path=str(path), **asdict(file))
        finally:
            engine.drop(_ROWS)


def _batch_files(files: Sequence[EpisodesFile]) -> Iterator[list[EpisodesFile]]:
    """Yield neighbouring files: one, or as many as have few episodes."""
    some: list[EpisodesFile] = []
    for file in files:
        if some and file.last_episode - some[0].first_episode >= _TOGETHER_EPISODES:
            yield some
            some = []
        some.append(file)
    if some:
        yield some


def _describe_columns(episodes: Episodes) -> dict[str, object]:
    """Return what write/episodes_of_files is given."""
    return {
        "episode_rows": episodes.rows,
        "episode_stats": episodes.stats,
        "columns": list(_list_columns(episodes.cameras)),
        "plain": [column for column in episodes.stat_columns if column.kind == "plain"],
        "counts": [column for column in episodes.stat_columns if column.kind == "count"],
        "nested": [column for column in episodes.stat_columns if column.kind == "nested"],
        "stats": [column.stored_as for column in episodes.stat_columns],
        "custom": episodes.custom_columns,
        "custom_of": ["custom"] if episodes.custom_columns else [],
    }


def _list_columns(cameras: Iterable[str]) -> Iterator[str]:
    yield from (name for name in EPISODE_ROWS.names if name not in _KEYS)
    yield from (f"videos/{camera}/{key}" for camera in cameras for key in _CLIP_KEYS)
