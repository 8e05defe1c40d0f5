"""Task and episode lists of v2.x line by line: encodings and forms that DuckDB does not read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose.dataset.catalog.relations import DECLARED, TASKS
from lecompose.dataset.catalog.source import episode_number
from lecompose.files.json_files import read_json_lines, reading_json
from lecompose.files.text_files import read_encoding


def is_plain(path: Path) -> bool:
    """Return whether DuckDB reads the encoding of a file. Raises SourceBroken if nothing can be read."""
    with reading_json(path):
        return read_encoding(path) == "utf-8"


def read_task_lines(path: Path, src_dataset: str) -> pa.Table:
    """Return the rows of `tasks` in a tasks.jsonl; a line may be the text alone, numbered by its place.

    Raises:
        SourceBroken: naming the line that is no task.
    """
    rows = list(read_json_lines(path, _take_task, what="a task"))
    numbers = [place if number is None else number for place, (number, _) in enumerate(rows)]
    columns = [[src_dataset] * len(rows), numbers, [text for _, text in rows], list(range(len(rows)))]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, TASKS, strict=True)], schema=TASKS)


def _take_task(row: Any) -> tuple[int | None, str | None]:
    if isinstance(row, str):
        return None, row
    number, text = row["task_index"], row["task"]
    return (None if number is None else _whole(number)), (None if text is None else _text(text))


def read_episode_lines(path: Path, src_dataset: str) -> pa.Table:
    """Return the rows of `declared` in an episodes.jsonl; `tasks` may be one text in place of a list.

    Raises:
        SourceBroken: naming the line that is no episode.
    """
    rows = list(read_json_lines(path, _take_episode, what="an episode"))
    columns: Mapping[str, list[Any]] = {
        "src_dataset": [src_dataset] * len(rows),
        "src_episode": [number for number, _, _ in rows],
        "row_number": list(range(len(rows))),
        "length": [length for _, length, _ in rows],
        "tasks": [tasks for _, _, tasks in rows],
    }
    nothing = [None] * len(rows)
    arrays = [pa.array(columns.get(field.name, nothing), field.type) for field in DECLARED]
    return pa.Table.from_arrays(arrays, schema=DECLARED)


def _take_episode(row: Any) -> tuple[int, int | None, list[str]]:
    length = row.get("length")
    number = episode_number(_whole(row["episode_index"]))
    return number, None if length is None else _whole(length), list(_list_tasks(row.get("tasks")))


def _list_tasks(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif said is not None:
        yield from map(_text, said)


def _whole(said: Any) -> int:
    number = int(said)
    if isinstance(said, bool) or number != float(said) or abs(number) >= 2**63:
        raise ValueError(f"{str(said)[:40]} is no whole number")
    return number


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise TypeError(f"{str(said)[:40]} is no text")
    return said
