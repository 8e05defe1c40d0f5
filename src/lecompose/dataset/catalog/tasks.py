"""What the numbers in task_index and subtask_index stand for, in every form that writers left it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.catalog import frames
from lecompose.dataset.catalog.batched import join_parts, make_batched
from lecompose.dataset.catalog.data_files import read_arrow_schema, read_from, require_file
from lecompose.dataset.catalog.json_lists import is_plain, read_task_lines
from lecompose.dataset.catalog.source import Source
from lecompose.engine import Engine
from lecompose.errors import QueryError, SourceBroken, collect
from lecompose.files.json_files import parse_json, reading_json
from lecompose.files.text_files import read_text


def register_tasks(engine: Engine, sources: Sequence[Source]) -> None:
    """Make the relation `tasks`.

    Raises:
        SourceBroken: where a task list is missing or says something else, all of a kind together.
    """
    columns = collect(sources, _columns, what="sources")
    alike: dict[tuple[str, ...], list[Source]] = {}
    parts = []
    for source, held in zip(sources, columns, strict=True):
        if held is None:
            parts.append(_tasks_v2(engine, source))
        else:
            alike.setdefault(held, []).append(source)
    for n, ((column, *_), group) in enumerate(alike.items()):
        together = partial(_tasks_v3, engine, column)
        parts.append(make_batched(engine, f"tasks_v3_{n}", group, together, folder=formats.TASKS_PATH))
    join_parts(engine, "tasks", parts)


def _columns(source: Source) -> tuple[str, ...] | None:
    """Return the column with the texts, and the types of both; None for v2.x."""
    if not source.is_v3:
        return None
    file = require_file(source.root / formats.TASKS_PATH)
    schema = read_arrow_schema(file)
    name = _text_column(schema, file, "task")
    return (name, *(str(schema.field(n).type) if n in schema.names else "" for n in (name, "task_index")))


def _tasks_v3(engine: Engine, column: str, relation: str, sources: Sequence[Source]) -> None:
    files = [str(source.root / formats.TASKS_PATH) for source in sources]
    engine.table(
        relation,
        "catalog/tasks_v3",
        {"task_column": column},
        globs=[formats.escaped_glob(file) for file in dict.fromkeys(files)],
        files=files,
        src_datasets=[source.name for source in sources],
    )


def _tasks_v2(engine: Engine, source: Source) -> str:
    meta, relation = source.root / "meta", source.relation("tasks")
    if (meta / "tasks.json").is_file() and not (meta / "tasks.jsonl").is_file():
        engine.load(relation, _from_json(source, meta / "tasks.json"))
        return relation
    file = require_file(meta / "tasks.jsonl")
    if is_plain(file):
        with suppress(SourceBroken, QueryError):  # whoever reads it line by line tells the line
            glob = formats.escaped_glob(str(file))
            engine.table(relation, "catalog/tasks_v2", src_dataset=source.name, file=glob)
            return relation
    engine.load(relation, read_task_lines(file, source.name))
    return relation


def register_subtasks(engine: Engine, source: Source) -> None:
    """Make this source's share of `subtasks` and `subtask_uses`; only for one that `has_subtasks`."""
    file = source.root / formats.SUBTASKS_PATH
    name = text_column_of(file, "subtask")
    with read_from(file):
        engine.table(
            source.relation("subtasks"),
            "catalog/subtasks",
            {"subtask_column": name},
            src_dataset=source.name,
            file=formats.escaped_glob(str(file)),
        )
    with read_from(source.root / "data"):
        context = {"frames": frames.frames_relation(engine, source)}
        engine.table(source.relation("subtask_uses"), "catalog/subtask_uses", context)


def text_column_of(path: Path, name: str) -> str:
    """Return the column with the texts: the one of this name, or else the first that holds strings.

    Raises:
        SourceBroken: where there is none.
    """
    return _text_column(read_arrow_schema(path), path, name)


def _text_column(schema: pa.Schema, path: Path, name: str) -> str:
    texts: list[str] = [field.name for field in schema if _is_text(field.type)]
    if name in texts:
        return name
    if not texts:
        raise SourceBroken(f"{path.name} has no column with the {name} strings", path=path)
    return texts[0]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _from_json(source: Source, file: Path) -> pa.Table:
    """Return the rows of `tasks` in a plain JSON file, as some writers of v2.x left one instead of lines."""
    with reading_json(file, what="a list of tasks"):
        tasks = list(_parse_numbered(parse_json(read_text(file))))
        numbers = pa.array([number for number, _ in tasks], pa.int64())
    return pa.table(
        {
            "src_dataset": pa.array([source.name] * len(tasks), pa.string()),
            "src_task": numbers,
            "task": pa.array([text for _, text in tasks], pa.string()),
            "row_number": pa.array(range(len(tasks)), pa.int64()),
        }
    )


def _parse_numbered(value: Any) -> Iterator[tuple[int, str]]:
    """Number and text of each task: in a list, by place or told; in an object, either may be the key."""
    if isinstance(value, Mapping) and isinstance(value.get("tasks"), list | Mapping):
        value = value["tasks"]
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield (entry, key) if isinstance(entry, int) else (int(key), _text(entry))
        return
    for place, entry in enumerate(value):
        yield (place, entry) if isinstance(entry, str) else (int(entry["task_index"]), _text(entry))


def _text(entry: Any) -> str:
    text = entry if isinstance(entry, str) else entry["task"]
    if not isinstance(text, str):
        raise TypeError(f"{json.dumps(text)} is not text")
    return text
