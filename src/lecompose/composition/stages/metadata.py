"""Writes meta/: info.json, tasks.parquet, the episodes files, their lineage, and what rides along."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.composition.context import Run
from lecompose.composition.layout import MIB, Item, Totals, number_files
from lecompose.dataset.catalog import LINEAGE_PATH
from lecompose.errors import OutputUnwritable
from lecompose.formats import Feature
from lecompose.version import __version__

_EPISODE_COLUMNS = (
    *("episode_index", "tasks", "length", "data/chunk_index", "data/file_index"),
    *("dataset_from_index", "dataset_to_index"),
)
_BYTES_A_NUMBER = 8
# Pointers, ranges and task strings of an episode's row, generously.
_BYTES_A_ROW = 512


def write_metadata(run: Run) -> None:
    """Write meta/ of every output.

    Raises:
        OutputUnwritable: if a file cannot be written.
    """
    run.progress.stage("metadata", 0)
    tasks = run.layout.tasks
    for output, folder in run.folders.items():
        try:
            texts = tasks.texts.get(output, [])
            _write_texts(texts, "task", folder / "meta" / "tasks.parquet")
            if tasks.has_subtasks:
                _write_texts(tasks.subtask_texts.get(output, []), "subtask", folder / formats.SUBTASKS_PATH)
            _write_info(run, folder, run.layout.totals[output], len(texts))
            for name, content in run.output_spec.files.items():
                folder.joinpath(name).write_bytes(content)
        except OSError as error:
            raise OutputUnwritable("cannot write metadata", reason=error, path=folder) from error
    run.engine.load("episode_rows", _make_episode_rows(run))
    _write_episodes(run)
    _write_lineage(run)
    run.engine.drop("episode_rows")
    run.episode_stats.drop()


# meta/episodes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _EpisodesFile:
    """A file of meta/episodes, and the first and last episode in it."""

    out_dataset: str
    chunk_index: int
    file_index: int
    first_episode: int
    last_episode: int


def _make_episode_rows(run: Run) -> pa.Table:
    """Return the row of each output episode, but for its statistics and the user's columns."""
    episodes, names = run.layout.episodes, ("out_dataset", "out_episode")
    tasks = run.layout.tasks.of_episodes
    keys = zip(*(episodes[name].to_pylist() for name in names), strict=True)
    columns = {
        "out_dataset": episodes["out_dataset"],
        "src_dataset": episodes["src_dataset"],
        "src_episode": episodes["src_episode"],
        "episode_index": episodes["out_episode"],
        "tasks": pa.array([tasks.get(key) for key in keys], pa.list_(pa.string())),
        "length": episodes["length"],
        "data/chunk_index": episodes["chunk_index"],
        "data/file_index": episodes["file_index"],
        "dataset_from_index": episodes["from_index"],
        "dataset_to_index": episodes["to_index"],
    }
    fps = float(run.output_spec.fps)
    for camera in run.output_spec.cameras:
        clips = [
            clip for name in run.layout.totals for clip in run.layout.clips.of_cameras[name, camera.name]
        ]
        columns |= {
            f"videos/{camera.name}/chunk_index": pa.array([c.chunk_index for c in clips], pa.int64()),
            f"videos/{camera.name}/file_index": pa.array([c.file_index for c in clips], pa.int64()),
            f"videos/{camera.name}/from_timestamp": pa.array([c.from_frame / fps for c in clips]),
            f"videos/{camera.name}/to_timestamp": pa.array([c.to_frame / fps for c in clips]),
        }
    return pa.table(columns)


def _write_episodes(run: Run) -> None:
    stats, custom = run.episode_stats, run.layout.catalog.custom
    columns = list(stats.columns(run.output_spec))
    cameras = [camera.name for camera in run.output_spec.cameras]
    keys = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    names = [*_EPISODE_COLUMNS, *(f"videos/{camera}/{key}" for camera in cameras for key in keys)]
    context = {
        "episode_stats": stats.relation,
        "columns": names,
        "plain": [column for column in columns if column.kind == "plain"],
        "counts": [column for column in columns if column.kind == "count"],
        "nested": [column for column in columns if column.kind == "nested"],
        "stats": [column.stored_as for column in columns],
        "custom": custom.columns,
    }
    row_bytes = sum(c.size for c in columns) * _BYTES_A_NUMBER + _BYTES_A_ROW + custom.row_bytes
    for file in _split_into_files(run, row_bytes):
        name = formats.EPISODES_PATH.format(chunk_index=file.chunk_index, file_index=file.file_index)
        path = run.folders[file.out_dataset] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        run.engine.run("write/episodes", context, path=str(path), **asdict(file))
        run.count("files_written", 1)


def _split_into_files(run: Run, row_bytes: int) -> Iterator[_EpisodesFile]:
    """Yield the files of every output, where an episode's row takes so many bytes."""
    limits = run.output_spec.limits
    for output, totals in run.layout.totals.items():
        items = [Item(row_bytes, 0)] * totals.episodes
        numbers = list(number_files(items, limit_bytes=int(limits.data_mb * MIB)))
        for number in range(numbers[-1] + 1):
            first = bisect_left(numbers, number)
            last = bisect_right(numbers, number) - 1
            yield _EpisodesFile(output, *divmod(number, limits.chunk_files), first, last)


# meta/lineage.parquet ---------------------------------------------------------------------------


def _write_lineage(run: Run) -> None:
    for output, folder in run.folders.items():
        run.engine.run(
            "write/lineage",
            out_dataset=output,
            command=run.command,
            version=__version__,
            path=str(folder / LINEAGE_PATH),
        )


# meta/tasks.parquet -----------------------------------------------------------------------------


def _write_texts(texts: list[str], name: str, path: Path) -> None:
    """Write texts and their numbers, as `task` and `task_index` or the like: row i is number i."""
    schema = pa.schema(
        [(f"{name}_index", pa.int64()), (name, pa.string())],
        metadata={"pandas": json.dumps(_describe_pandas_index(name))},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [pa.array(range(len(texts)), pa.int64()), pa.array(texts, pa.string())]
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


# meta/info.json ---------------------------------------------------------------------------------


def _write_info(run: Run, folder: Path, totals: Totals, tasks: int) -> None:
    output_spec, limits = run.output_spec, run.output_spec.limits
    info = {
        "codebase_version": formats.V30,
        "fps": _as_whole(float(output_spec.fps)),
        "features": {f.name: _describe_feature(run, f) for f in output_spec.features},
        "total_episodes": totals.episodes,
        "total_frames": totals.frames,
        "total_tasks": tasks,
        "chunks_size": limits.chunk_files,
        "data_files_size_in_mb": _as_whole(limits.data_mb),
        "video_files_size_in_mb": _as_whole(limits.video_mb),
        "data_path": formats.DATA_PATH,
        "video_path": formats.VIDEO_PATH if output_spec.cameras else None,
        "robot_type": output_spec.robot_type,
        "splits": {"train": f"0:{totals.episodes}"},
        **output_spec.info,
    }
    text = json.dumps(info, indent=4, ensure_ascii=False)
    folder.joinpath("meta", "info.json").write_text(text, encoding="utf-8")


def _as_whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _describe_feature(run: Run, feature: Feature) -> dict[str, Any]:
    """Return a feature's entry; codec and pixel format that no source declared are read off a video."""
    spec = dict(feature.spec)
    if not feature.is_video:
        return spec
    info = dict(spec["info"])
    own = [takes[feature.name].feature for takes in run.output_spec.feature_map.values()]
    if not any(camera.info.get("video.codec") for camera in own if camera):
        clips = (clip for job in run.layout.video_jobs if job.camera == feature.name for clip in job.clips)
        video = run.layout.videos[next(clips).video_file]
        info["video.codec"], info["video.pix_fmt"] = video.codec, info["video.pix_fmt"] or video.pix_fmt
    return {**spec, "info": info}
