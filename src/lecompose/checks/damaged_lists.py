"""Episode and task lists that cannot be read as a whole, read row by row: what is there, and what is not."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage, try_to, unreadable
from lecompose.dataset.catalog import Source
from lecompose.errors import ComposeError, SourceBroken
from lecompose.files.clutter import glob_files
from lecompose.files.json_files import read_json_lines
from lecompose.files.parquet.damage import payload_bytes, reading_parquet

_INT, _TEXT, _FLOAT = pa.int64(), pa.string(), pa.float64()
DECLARED = pa.schema(
    {
        "src_dataset": _TEXT,
        "src_episode": _INT,
        "row_number": _INT,
        "length": _INT,
        "tasks": pa.list_(_TEXT),
        "from_index": _INT,
        "to_index": _INT,
        "data_chunk": _INT,
        "data_file_index": _INT,
        "meta_chunk": _INT,
        "meta_file_index": _INT,
        "meta_file": _TEXT,
    }
)
CLIPS = pa.schema(
    {
        "src_dataset": _TEXT,
        "src_episode": _INT,
        "camera": _TEXT,
        "video_file": _TEXT,
        "from_frame": _INT,
        "to_frame": _INT,
        "from_s": _FLOAT,
        "to_s": _FLOAT,
    }
)
TASKS = pa.schema({"src_dataset": _TEXT, "src_task": _INT, "task": _TEXT, "row_number": _INT})
# Column of the relation → field of v3.0's episode list.
_V3_FIELDS = {
    "src_episode": "episode_index",
    "length": "length",
    "from_index": "dataset_from_index",
    "to_index": "dataset_to_index",
    "data_chunk": "data/chunk_index",
    "data_file_index": "data/file_index",
    "meta_chunk": "meta/episodes/chunk_index",
    "meta_file_index": "meta/episodes/file_index",
}
_V2_FIELDS = {"src_episode": "episode_index", "length": "length"}


@dataclass(frozen=True)
class _ListFile:
    """The rows of one file of the episode list: JSON objects, whatever they hold."""

    path: Path
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class EpisodeList:
    """What can be read of the relations `declared` and `clips`."""

    declared: pa.Table
    clips: pa.Table
    damage: Damage


def read_episodes(source: Source, error: ComposeError) -> EpisodeList:
    """Return what can be read of an episode list; `error` is why it cannot be read as a whole."""
    files, unread = _v3_files(source) if source.is_v3 else _v2_files(source)
    fields = [*(_V3_FIELDS if source.is_v3 else _V2_FIELDS).values(), *_pointers(source)]
    odd = [fault for file in files for fault in (*_odd_fields(file, fields), *_odd_tasks(file))]
    found = unread | as_damage(*odd)
    if not found.faults and not _is_begun(source):
        path = source.root / "meta" / ("episodes" if source.is_v3 else "episodes.jsonl")
        found = as_damage(unreadable("metadata_readable", path, error, lacks="declared"))
    return EpisodeList(_make_declared(source, files), _clips(source, files), found)


def read_tasks(source: Source, error: ComposeError) -> tuple[pa.Table, Damage]:
    """Return what can be read of `tasks`; `error` is why it cannot be read as a whole."""
    path = source.root / "meta" / ("tasks.parquet" if source.is_v3 else "tasks.jsonl")
    rows, found = _read_lines(path, lacks="tasks") if not source.is_v3 and path.is_file() else ([], NO_DAMAGE)
    if not rows or "tasks" not in found.lacking:
        found |= as_damage(unreadable("metadata_readable", path, error, lacks="tasks"))
    texts = [row["task"] if isinstance(row.get("task"), str) else None for row in rows]
    numbers = [_whole(row.get("task_index")) for row in rows]
    return pa.table([[source.name] * len(rows), numbers, texts, list(range(len(rows)))], schema=TASKS), found


def _make_declared(source: Source, files: Sequence[_ListFile]) -> pa.Table:
    rows = [row for file in files for row in file.rows]
    paths = [str(file.path) if source.is_v3 else None for file in files for _ in file.rows]
    fields = _V3_FIELDS if source.is_v3 else _V2_FIELDS
    columns = {
        "src_dataset": [source.name] * len(rows),
        "row_number": list(range(len(rows))),
        "tasks": [_texts(row.get("tasks")) for row in rows],
        "meta_file": paths,
        **{column: [_whole(row.get(name)) for row in rows] for column, name in fields.items()},
    }
    nothing = [None] * len(rows)
    return pa.table([columns.get(name, nothing) for name in DECLARED.names], schema=DECLARED)


# Rows -------------------------------------------------------------------------------------------


def _v2_files(source: Source) -> tuple[list[_ListFile], Damage]:
    path = source.root / "meta" / "episodes.jsonl"
    if not path.is_file():
        missing = SourceBroken("it is missing")
        return [], as_damage(unreadable("metadata_readable", path, missing, lacks="declared"))
    rows, found = _read_lines(path, lacks="declared")
    return [_ListFile(path, rows)], found


def _read_lines(path: Path, *, lacks: str) -> tuple[list[Mapping[str, Any]], Damage]:
    """Return the objects in a JSON lines file, and which lines are none."""
    bad: list[int] = []
    try:
        rows = list(read_json_lines(path, _require_object, what="a JSON object", on_bad=bad.append))
    except SourceBroken as error:
        return [], as_damage(unreadable("metadata_readable", path, error, lacks=lacks))
    if not bad:
        return rows, NO_DAMAGE
    shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
    with path.open("rb") as lines:
        count = sum(1 for _ in lines)
    problem = SourceBroken(f"{len(bad)} of {count} lines are not JSON objects: line {shown}")
    return rows, as_damage(unreadable("metadata_readable", path, problem, lacks=lacks))


def _require_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("it is not a JSON object")
    return value


def _v3_files(source: Source) -> tuple[list[_ListFile], Damage]:
    folder = source.root / "meta" / "episodes"
    paths = glob_files(folder, "*/*.parquet")
    if not paths and not _is_begun(source):
        problem = "the episode list is missing"
        return [], as_damage(Fault("metadata_readable", folder, problem, lacks="declared"))
    wanted = {*_V3_FIELDS.values(), "tasks", *_pointers(source)}
    files, found = [], NO_DAMAGE
    for path in paths:
        read = partial(_read_rows, path, wanted)
        file, unread = try_to(read, otherwise=None, code="metadata_readable", path=path, lacks="declared")
        files += [] if file is None else [file]
        found |= unread
    return files, found


def _is_begun(source: Source) -> bool:
    """Return whether a recording has only been begun: it has no episode list, and needs none."""
    folder = source.root / "meta" / "episodes"
    begun = source.is_v3 and source.info.get("total_episodes") == 0
    return begun and not glob_files(folder, "*/*.parquet")


def _read_rows(path: Path, wanted: set[str]) -> _ListFile:
    payload_bytes(path)
    with reading_parquet(path), pq.ParquetFile(path) as file:
        table = file.read([name for name in file.schema_arrow.names if name in wanted])
        return _ListFile(path, table.to_pylist())


# Fields -----------------------------------------------------------------------------------------


def _pointers(source: Source) -> list[str]:
    if not source.is_v3:
        return []
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    return [f"videos/{camera.name}/{name}" for camera in source.cameras for name in names]


def _odd_fields(file: _ListFile, fields: Sequence[str]) -> Iterator[Fault]:
    """Yield a fault for each field that some rows do not have as a number."""
    for name in fields:
        camera = name.split("/")[1] if name.startswith("videos/") else None
        usable = _seconds if name.endswith("timestamp") else _whole
        bad = [row for row in file.rows if usable(row.get(name)) is None]
        # A camera without video in some episodes has null pointers there: `video_named` tells that.
        if camera:
            bad = [row for row in bad if name not in row or row[name] is not None]
        if bad:
            absent = all(name not in row for row in bad)
            what = "no number" if name.endswith("timestamp") else "not a whole number"
            problem = f"{name} is missing" if absent else f"{name} is {_shorten(bad[0].get(name))}, {what}"
            more = "" if len(bad) == 1 else f"; so in {len(bad)} episodes"
            episode = _whole(bad[0].get("episode_index"))
            lacks = "clips_whole" if camera else "declared"
            yield Fault("episode_fields", file.path, problem + more, episode, camera, lacks)


def _odd_tasks(file: _ListFile) -> Iterator[Fault]:
    bad = [row for row in file.rows if not isinstance(row.get("tasks"), list)]
    if bad:
        problem = "the list tasks is missing" + ("" if len(bad) == 1 else f"; so in {len(bad)} episodes")
        episode = _whole(bad[0].get("episode_index"))
        yield Fault("episode_fields", file.path, problem, episode, lacks="task_lists")


def _clips(source: Source, files: Sequence[_ListFile]) -> pa.Table:
    rows = [clip for file in files for row in file.rows for clip in _clips_of(source, row)]
    columns = zip(*rows, strict=True) if rows else [()] * len(CLIPS)
    return pa.table([list(column) for column in columns], schema=CLIPS)


def _clips_of(source: Source, row: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the clips of an episode, as rows of `CLIPS`."""
    template = source.video_template
    episode, length = _whole(row.get("episode_index")), _whole(row.get("length"))
    for camera in source.cameras:
        start, end = (_seconds(row.get(f"videos/{camera.name}/{edge}_timestamp")) for edge in ("from", "to"))
        first = 0 if not source.is_v3 else None if start is None else round(start * float(source.fps))
        last = None if first is None or length is None else first + length
        file = _video_file(source, template, camera.name, row)
        yield source.name, episode, camera.name, file, first, last, start, end


def _video_file(source: Source, template: str, camera: str, row: Mapping[str, Any]) -> str | None:
    if source.is_v3:
        numbers = {name: _whole(row.get(f"videos/{camera}/{name}")) for name in ("chunk_index", "file_index")}
    else:
        episode = _whole(row.get("episode_index"))
        chunk = None if episode is None else episode // source.chunks_size
        numbers = {"episode_chunk": chunk, "episode_index": episode}
    if None in numbers.values():
        return None
    return str(source.root / template.format(video_key=camera, **numbers))


def _whole(value: Any) -> int | None:
    """Return a whole number, also where a column with gaps made it a float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 1 << 62 else None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _shorten(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:100]
