"""Episode and task lists that cannot be read as a whole, read row by row: what is there, and what is not."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.faults import Reading
from lecompose.dataset.catalog import Source, parsed
from lecompose.errors import ComposeError, SourceBroken
from lecompose.files.parquet.damage import payload_bytes, reading_parquet

Row = dict[str, Any]

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


def episodes(source: Source, reading: Reading, error: ComposeError) -> tuple[pa.Table, pa.Table]:
    """What can be read of `declared` and `clips`; `error` is why they cannot be read as a whole."""
    before = len(reading.faults)
    rows = list(_v3_rows(source, reading) if source.is_v3 else _v2_rows(source, reading))
    fields = _V3_FIELDS if source.is_v3 else _V2_FIELDS
    for path, members in rows:
        _note_fields(path, members, [*fields.values(), *_pointers(source)], reading)
        _note_tasks(path, members, reading)
    held = [(path, row) for path, members in rows for row in members]
    if len(reading.faults) == before and (held or "declared" not in reading.lacking):
        name = "episodes" if source.is_v3 else "episodes.jsonl"
        reading.broken("metadata_readable", source.root / "meta" / name, error, lacks="declared")
    declared = [
        {
            "src_dataset": source.name,
            "row_number": number,
            "tasks": _texts(row.get("tasks")),
            "meta_file": str(path) if source.is_v3 else None,
            **{column: _whole(row.get(name)) for column, name in fields.items()},
        }
        for number, (path, row) in enumerate(held)
    ]
    clips = [clip for _, row in held for clip in _clips(source, row)]
    return _table(declared, DECLARED), _table(clips, CLIPS)


def tasks(source: Source, reading: Reading, error: ComposeError) -> pa.Table:
    """What can be read of `tasks`; `error` is why it cannot be read as a whole."""
    name = "tasks.parquet" if source.is_v3 else "tasks.jsonl"
    path = source.root / "meta" / name
    rows: list[Row] = []
    if not source.is_v3 and path.is_file():
        rows = [
            {
                "src_dataset": source.name,
                "src_task": _whole(row.get("task_index")),
                "task": row["task"] if isinstance(row.get("task"), str) else None,
                "row_number": number,
            }
            for number, row in enumerate(_lines(path, reading, lacks="tasks"))
        ]
    if not rows or "tasks" not in reading.lacking:
        reading.broken("metadata_readable", path, error, lacks="tasks")
    return _table(rows, TASKS)


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


# Rows -------------------------------------------------------------------------------------------


def _v2_rows(source: Source, reading: Reading) -> Iterator[tuple[Path, list[Row]]]:
    path = source.root / "meta" / "episodes.jsonl"
    if not path.is_file():
        reading.broken("metadata_readable", path, SourceBroken("it is missing"), lacks="declared")
        return
    yield path, list(_lines(path, reading, lacks="declared"))


def _lines(path: Path, reading: Reading, *, lacks: str) -> Iterator[Row]:
    """The objects in a JSON lines file; lines that are none are noted."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        reading.broken("metadata_readable", path, SourceBroken(str(error)), lacks=lacks)
        return
    bad = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parsed(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield row
        else:
            bad.append(number)
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        count = len(lines) - (not lines[-1])  # a last line may end with a break, or with the file
        problem = f"{len(bad)} of {count} lines are no JSON objects: line {shown}"
        reading.broken("metadata_readable", path, SourceBroken(problem), lacks=lacks)


def _v3_rows(source: Source, reading: Reading) -> Iterator[tuple[Path, list[Row]]]:
    folder = source.root / "meta" / "episodes"
    paths = sorted(folder.glob("*/*.parquet"))
    if not paths:
        said = source.info.get("total_episodes")
        if said != 0:
            reading.note("metadata_readable", folder, "no episode list: no file lies here", lacks="declared")
        else:
            reading.unreadable.add(folder)  # a recording that has only been begun: nothing to tell
    wanted = {*_V3_FIELDS.values(), "tasks", *_pointers(source)}
    for path in paths:
        with reading.guarded("metadata_readable", path, lacks="declared"):
            payload_bytes(path)
            yield path, _read(path, wanted)


def _read(path: Path, wanted: set[str]) -> list[Row]:
    with reading_parquet(path), pq.ParquetFile(path) as file:
        rows: list[Row] = file.read([n for n in file.schema_arrow.names if n in wanted]).to_pylist()
        return rows


# Fields -----------------------------------------------------------------------------------------


def _pointers(source: Source) -> list[str]:
    if not source.is_v3:
        return []
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    return [f"videos/{camera.name}/{name}" for camera in source.cameras for name in names]


def _note_fields(path: Path, rows: Sequence[Row], fields: Sequence[str], reading: Reading) -> None:
    for name in fields:
        camera = name.split("/")[1] if name.startswith("videos/") else None
        usable = _seconds if name.endswith("timestamp") else _whole
        bad = [row for row in rows if usable(row.get(name)) is None]
        # A camera without video in some episodes has null pointers there: `video_named` tells that.
        if camera:
            bad = [row for row in bad if name not in row or row[name] is not None]
        if bad:
            absent = all(name not in row for row in bad)
            what = "no number" if name.endswith("timestamp") else "no whole number"
            problem = f"there is no {name}" if absent else f"{name} is {_shown(bad[0].get(name))}, {what}"
            more = "" if len(bad) == 1 else f"; so in {len(bad)} episodes"
            episode = _whole(bad[0].get("episode_index"))
            lacks = "clips_whole" if camera else "declared"
            reading.note("episode_fields", path, problem + more, episode=episode, feature=camera, lacks=lacks)


def _note_tasks(path: Path, rows: Sequence[Row], reading: Reading) -> None:
    bad = [row for row in rows if not isinstance(row.get("tasks"), list)]
    if bad:
        problem = "there is no list tasks" + ("" if len(bad) == 1 else f"; so in {len(bad)} episodes")
        reading.note(
            "episode_fields", path, problem, episode=_whole(bad[0].get("episode_index")), lacks="task_lists"
        )


def _clips(source: Source, row: Row) -> Iterator[Row]:
    default = formats.VIDEO_PATH if source.is_v3 else formats.V2_VIDEO_PATH
    template = str(source.info.get("video_path") or default)
    for camera in source.cameras:
        said = {name: row.get(f"videos/{camera.name}/{name}") for name in ("from_timestamp", "to_timestamp")}
        start, length = _seconds(said["from_timestamp"]), _whole(row.get("length"))
        first = 0 if not source.is_v3 else None if start is None else round(start * float(source.fps))
        yield {
            "src_dataset": source.name,
            "src_episode": _whole(row.get("episode_index")),
            "camera": camera.name,
            "video_file": _video_file(source, template, camera.name, row),
            "from_frame": first,
            "to_frame": None if first is None or length is None else first + length,
            "from_s": start,
            "to_s": _seconds(said["to_timestamp"]),
        }


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
    """A whole number, also where a column with gaps made it a float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 1 << 62 else None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:100]
