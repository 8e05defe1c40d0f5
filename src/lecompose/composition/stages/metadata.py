"""Writes meta/: info.json, tasks.parquet, the episodes files, their lineage, and what rides along."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.composition.context import Run
from lecompose.composition.layout import MIB
from lecompose.dataset.catalog import LINEAGE_PATH
from lecompose.errors import OutputUnwritable
from lecompose.formats import Feature
from lecompose.version import __version__

_BYTES_A_NUMBER = 8
# Pointers, ranges and task strings of an episode's row, generously.
_BYTES_A_ROW = 512


def metadata(run: Run) -> None:
    """Write meta/ of every output.

    Errors: OutputUnwritable.
    """
    run.progress.stage("metadata", 0)
    run.engine.table("episode_tasks", "layout/episode_tasks")
    columns = list(_stat_columns(run))
    _number_episode_files(run, columns)
    for output, folder in run.folders.items():
        try:
            tasks = _write_tasks(run, output, folder)
            if run.layout.has_subtasks:
                _write_texts(run, output, "layout/output_subtasks", "subtask", folder / formats.SUBTASKS_PATH)
            _write_info(run, folder, run.layout.totals[output], tasks)
            for name, content in run.output_spec.files.items():
                folder.joinpath(name).write_bytes(content)
        except OSError as error:
            raise OutputUnwritable("cannot write metadata", reason=error, path=folder) from error
    _write_episodes(run, columns)
    run.engine.drop("episode_stats")
    _write_lineage(run)


# meta/episodes ----------------------------------------------------------------------------------


def _stat_columns(run: Run) -> Iterator[dict[str, Any]]:
    """The statistics columns in feature order; `kind` 0 plain, 1 a count, 2 nested as (C, 1, 1)."""
    have = set(run.engine.columns_of("episode_stats"))
    for feature in run.output_spec.features:
        for stat in run.output_spec.statistics.names:
            name = f"{feature.name}/{stat}"
            if name in have:
                kind = 1 if stat == "count" else 2 if feature.is_visual else 0
                yield {"name": name, "column": f"stats/{name}", "kind": kind, "size": feature.stat_size}


def _number_episode_files(run: Run, columns: list[dict[str, Any]]) -> None:
    numbers = sum(c["size"] for c in columns)
    row_bytes = numbers * _BYTES_A_NUMBER + _BYTES_A_ROW + run.layout.catalog.custom.row_bytes
    limits = run.output_spec.limits
    run.engine.table("sized_episodes", "layout/sized_episodes", row_bytes=row_bytes)
    run.engine.table(
        "episode_file_numbers",
        "layout/files",
        {"sized": "sized_episodes"},
        limit_bytes=int(limits.data_mb * MIB),
        limit_frames=2**62,
    )


def _write_episodes(run: Run, columns: list[dict[str, Any]]) -> None:
    cameras = run.output_spec.cameras
    context = {
        "cameras": [_camera_columns(n, c) for n, c in enumerate(cameras)],
        "stats": columns,
        "custom": [{"name": c.name, "column": c.column} for c in run.layout.catalog.custom.columns],
    }
    values: dict[str, object] = {}
    if cameras:
        values = {"fps": float(run.output_spec.fps), "cameras": [c.name for c in cameras]}
    for row in run.engine.rows("layout/episode_files", chunk_files=run.output_spec.limits.chunk_files):
        name = formats.EPISODES_PATH.format(chunk_index=row["chunk_index"], file_index=row["file_index"])
        path = run.folders[row["out_dataset"]] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        run.engine.run("write/episodes", context, path=str(path), **values, **row)
        run.count("files_written", 1)


def _camera_columns(number: int, camera: Feature) -> dict[str, str]:
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    return {"relation": f"camera_{number}"} | {name: f"videos/{camera.name}/{name}" for name in names}


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


def _write_tasks(run: Run, output: str, folder: Path) -> int:
    return _write_texts(run, output, "layout/output_tasks", "task", folder / "meta" / "tasks.parquet")


def _write_texts(run: Run, output: str, template: str, name: str, path: Path) -> int:
    """How many texts there are; written are they and their numbers, `task` and `task_index` or the like."""
    numbered = run.engine.arrow(template, out_dataset=output)
    schema = pa.schema(
        [(f"{name}_index", pa.int64()), (name, pa.string())],
        metadata={"pandas": json.dumps(_pandas_index(name))},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_arrays(numbered.columns, schema=schema), path)
    return int(numbered.num_rows)


def _pandas_index(text: str) -> dict[str, Any]:
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


def _write_info(run: Run, folder: Path, totals: Mapping[str, Any], tasks: int) -> None:
    output_spec, limits = run.output_spec, run.output_spec.limits
    info = {
        "codebase_version": formats.V30,
        "fps": _whole(float(output_spec.fps)),
        "features": {f.name: _spec(run, f) for f in output_spec.features},
        "total_episodes": totals["episodes"],
        "total_frames": totals["frames"],
        "total_tasks": tasks,
        "chunks_size": limits.chunk_files,
        "data_files_size_in_mb": _whole(limits.data_mb),
        "video_files_size_in_mb": _whole(limits.video_mb),
        "data_path": formats.DATA_PATH,
        "video_path": formats.VIDEO_PATH if output_spec.cameras else None,
        "robot_type": output_spec.robot_type,
        "splits": {"train": f"0:{totals['episodes']}"},
        **output_spec.info,
    }
    text = json.dumps(info, indent=4, ensure_ascii=False)
    folder.joinpath("meta", "info.json").write_text(text, encoding="utf-8")


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _spec(run: Run, feature: Feature) -> dict[str, Any]:
    """A feature's entry; codec and pixel format that no source declared are read off a video."""
    spec = dict(feature.spec)
    if not feature.is_video:
        return spec
    info = dict(spec["info"])
    own = [takes[feature.name].feature for takes in run.output_spec.taken.values()]
    if not any(camera.info.get("video.codec") for camera in own if camera):
        video = next(v for v in _videos_of(run, feature))
        info["video.codec"], info["video.pix_fmt"] = video.codec, info["video.pix_fmt"] or video.pix_fmt
    return {**spec, "info": info}


def _videos_of(run: Run, camera: Feature) -> Iterator[Any]:
    for row in run.engine.rows("layout/segments"):
        if row["camera"] == camera.name:
            yield run.layout.videos[row["video_file"]]
