"""A dataset without its task list, read with one in which each number stands for itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.dataset.catalog.data_files import data_files
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.dataset.catalog.source import read_source
from lecompose.files.link_rest import link_rest
from lecompose.files.parquet.damage import reading_parquet

# Where v2.x has it.
_LISTS = ("meta/tasks.jsonl", "meta/tasks.json")


def lacks_tasks(root: Path) -> bool:
    """Return whether a dataset has no list of its tasks, in any form."""
    return not any((root / name).is_file() for name in (formats.TASKS_PATH, *_LISTS))


def number_tasks(root: Path, scratch: Path) -> Path:
    """Return the dataset in `scratch`, of links, with a task list that has a text for each number in use.

    Raises:
        SourceBroken: where a data file cannot be read.
    """
    source = read_source(0, name_dataset(root), str(root), root)
    used: set[int] = set()
    for file in data_files(source):
        with reading_parquet(file.path):
            column = pq.read_table(file.path, columns=["task_index"], partitioning=None)["task_index"]
            used |= set(pc.unique(column.cast(pa.int64())).drop_null().to_pylist())
    copy = scratch / "numbered" / source.name
    (copy / "meta").mkdir(parents=True)
    _write_list(copy, sorted(used), is_v3=source.is_v3)
    link_rest(root, copy)
    return copy


def _write_list(copy: Path, numbers: Sequence[int], *, is_v3: bool) -> None:
    texts = [f"task {number}, whose text is missing" for number in numbers]
    if is_v3:
        table = {"task_index": pa.array(numbers, pa.int64()), "task": pa.array(texts, pa.string())}
        pq.write_table(pa.table(table), copy / formats.TASKS_PATH)
        return
    rows = [{"task_index": n, "task": text} for n, text in zip(numbers, texts, strict=True)]
    (copy / _LISTS[0]).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
