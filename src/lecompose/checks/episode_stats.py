"""Reads the statistics of episodes that their rows can prove wrong: counts and numbering."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.dataset.arrow_arrays import repeat_text, wrap_numbers
from lecompose.files.json_files import read_json_lines
from lecompose.files.parquet.damage import reading_parquet

SHAPE = {"src_episode": pa.int64(), "feature": pa.string(), "stat": pa.string(), "number": pa.float64()}

_NUMBERED = ("index", "episode_index", "task_index")


def checked(feature: str, pictures: Collection[str]) -> tuple[str, ...]:
    """Return the statistics of an episode that can be checked without reading its rows.

    `pictures` are the features of pictures, of which none is above 1.
    """
    if feature in _NUMBERED:
        return ("count", "min", "max", "mean")
    return ("count", "max") if feature in pictures else ("count",)


def of_parquet(path: Path, footer: pq.FileMetaData, schema: pa.Schema, pictures: Collection[str]) -> pa.Table:
    """Return the statistics in a file of a v3.0 episode list, whose `footer` is read. Shape: `SHAPE`.

    Raises:
        SourceBroken: if the file cannot be read.
    """
    wanted = {}
    for name in schema.names:
        family, _, rest = name.partition("/")
        feature, _, stat = rest.partition("/")
        if family == "stats" and stat in checked(feature, pictures):
            wanted[name] = (feature, stat)
    if "episode_index" not in schema.names or not wanted:
        return pa.schema(SHAPE).empty_table()
    with reading_parquet(path), pq.ParquetFile(path, metadata=footer, pre_buffer=False) as file:
        held = file.read(columns=["episode_index", *wanted], use_threads=False)
    episodes = pa.array(held["episode_index"].to_pylist(), pa.int64())
    parts = (
        (episodes, repeat_text(feature, len(held)), repeat_text(stat, len(held)), firsts(held[name]))
        for name, (feature, stat) in wanted.items()
    )
    return pa.concat_tables([pa.table(list(part), names=list(SHAPE)) for part in parts])


def firsts(column: pa.ChunkedArray) -> pa.Array:
    """Return the first number in the nested lists of each row; NaN, which equals nothing, without any."""
    values = column.combine_chunks()
    rows = at = np.arange(len(values))
    while pa.types.is_list(values.type) and not values.null_count:
        offsets = values.offsets.to_numpy()
        known = offsets[at] < offsets[at + 1]
        rows, at, values = rows[known], offsets[at[known]], values.values
    found = np.full(len(column), math.nan)
    kind = values.type
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not values.null_count:
        found[rows] = values.to_numpy(zero_copy_only=False)[at]
        return wrap_numbers(found, pa.float64())
    return pa.array([first(value) for value in column.to_pylist()], pa.float64())


def of_lines(path: Path) -> Iterator[tuple[int, dict[str, dict[str, Any]]]]:
    """Yield episode and statistics of each line of a v2.1 file; nothing where there is no such file.

    Raises:
        SourceBroken: if a line is something else.
    """
    return read_json_lines(path, _of_row, what="an episode's statistics") if path.is_file() else iter(())


def _of_row(row: Any) -> tuple[int, dict[str, dict[str, Any]]]:
    return int(row["episode_index"]), {feature: dict(part) for feature, part in row["stats"].items()}


def first(value: Any) -> float:
    """Return the first number in nested lists; NaN, which equals nothing, where there is none."""
    while isinstance(value, list):
        value = value[0] if value else None
    return float(value) if isinstance(value, int | float) else math.nan
