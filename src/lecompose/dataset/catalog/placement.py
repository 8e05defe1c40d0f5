"""Where the rows of each episode really are, read off the data files themselves.

Row groups of one episode each are many and small, and pyarrow reads those in a third of DuckDB's time.
What is not plainly numbers, and what pyarrow cannot read, DuckDB reads, or says what is wrong with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.dataset.catalog.data_files import (
    DataFile,
    column_kinds,
    needs_union_by_name,
    read_arrow_schema,
)
from lecompose.dataset.catalog.source import Source
from lecompose.engine import Engine
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet

PLACING = ("episode_index", "frame_index", "index", "task_index", "timestamp")
"""The columns that place rows."""

# Rows read at a time.
_BATCH_ROWS = 2**18
# Sums and differences of such numbers are exact.
_MOST = 2**61
_FLOATS = ("float", "double")
_RUN_COLUMNS = (
    *("src_episode", "src_task", "rows", "row_from", "row_to", "least_first", "most_first"),
    *("index_from", "least_index", "most_index", "off_grid_s"),
)


class _NotPlain(Exception):
    """A file holds something else than the numbers that are usual."""


@dataclass(frozen=True)
class ReadOptions:
    """How data files are read, for one query to read those of many sources.

    `kinds` are the types of the columns that place rows: DuckDB takes them from the first file of all.
    `many_row_groups` where each file holds many episodes.
    """

    fps: float
    by_name: bool
    kinds: tuple[str, ...]
    many_row_groups: bool

    @property
    def is_plain(self) -> bool:
        """Return whether the columns are of the types that LeRobot writes."""
        *numbers, timestamp = self.kinds
        return {*numbers} == {"int64"} and timestamp in _FLOATS


def choose_read_options(source: Source, files: Sequence[DataFile]) -> ReadOptions:
    """Return how the data files of a source are read.

    Raises:
        SourceBroken: where the first one cannot be.
    """
    first = read_arrow_schema(files[0].path)
    by_name = needs_union_by_name([files[0].path])
    return ReadOptions(float(source.fps), by_name, column_kinds(first, PLACING), source.is_v3)


def place_rows(
    engine: Engine,
    relation: str,
    files: Sequence[tuple[Source, DataFile]],
    reading: ReadOptions,
    *,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Make a relation of `PLACEMENT` for files that are read alike; `check` raises where nobody wants it.

    Raises:
        SourceBroken, QueryError: where a file cannot be read.
    """
    paths = [str(file.path) for _, file in files]
    rows = f"{relation}_rows"
    found = _read_runs(engine, list(dict.fromkeys(paths)), reading, check)
    if found is not None:
        engine.load(rows, found)
    else:
        globs = [formats.escaped_glob(path) for path in dict.fromkeys(paths)]
        engine.table(rows, "catalog/rows_in_files", globs=globs, by_name=reading.by_name, fps=reading.fps)
    try:
        owners = {"files": paths, "src_datasets": [source.name for source, _ in files]}
        engine.table(relation, "catalog/placement", {"rows": rows}, **owners)
    finally:
        engine.drop(rows)


# Read with pyarrow --------------------------------------------------------------------------------


def _read_runs(
    engine: Engine, paths: Sequence[str], reading: ReadOptions, check: Callable[[], None]
) -> pa.Table | None:
    """Return what catalog/rows_in_files gives, a row a run; None where DuckDB has to read the files."""
    if not (reading.many_row_groups and reading.is_plain):
        return None

    def read(path: str) -> list[np.ndarray]:
        check()
        return _read_file(path, reading)

    try:
        found = engine.workers().each(paths, read)
    except (SourceBroken, _NotPlain):
        return None
    of_files = np.repeat(np.arange(len(paths)), [len(columns[0]) for columns in found])
    names = pa.DictionaryArray.from_arrays(pa.array(of_files, pa.int32()), pa.array(paths, pa.string()))
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return pa.table({"data_file": names} | dict(zip(_RUN_COLUMNS, map(pa.array, columns), strict=True)))


def _read_file(path: str, reading: ReadOptions) -> list[np.ndarray]:
    """Return the columns of `_RUN_COLUMNS` for one file.

    Raises:
        SourceBroken: where it cannot be read.
        _NotPlain: where it holds nulls, other types, or numbers too large.
    """
    batches, row = [], 0
    with reading_parquet(path), pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(PLACING), use_threads=False):
            if len(batch):
                batches.append(_find_runs(_as_numbers(batch, reading.kinds), row, reading.fps))
            row += len(batch)
    if not batches:
        raise _NotPlain
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _as_numbers(batch: pa.RecordBatch, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns that place rows. Raises _NotPlain."""
    if sorted(batch.schema.names) != sorted(PLACING) or column_kinds(batch.schema, PLACING) != tuple(kinds):
        raise _NotPlain
    columns = {name: batch.column(name) for name in PLACING}
    if any(column.null_count for column in columns.values()):
        raise _NotPlain
    numbers = {name: column.to_numpy() for name, column in columns.items()}
    for name in ("frame_index", "index"):
        if not -_MOST < numbers[name].min() <= numbers[name].max() < _MOST:
            raise _NotPlain
    return numbers


def _find_runs(columns: dict[str, np.ndarray], first_row: int, fps: float) -> list[np.ndarray]:
    """Return the columns of `_RUN_COLUMNS`: a run is of rows of one episode and task."""
    episode, frame, index, task, timestamp = (columns[name] for name in PLACING)
    ends = np.flatnonzero((episode[1:] != episode[:-1]) | (task[1:] != task[:-1])) + 1
    at = np.concatenate([[0], ends])
    row = np.arange(first_row, first_row + len(episode))
    first, offset = row - frame, index - frame
    grid_s = (frame / fps).astype(np.float32).astype(np.float64)
    off_grid_s = np.abs(timestamp.astype(np.float64) - grid_s)
    least, most = np.minimum.reduceat, np.maximum.reduceat
    rows = np.diff(np.append(at, len(episode)))
    return [
        *(episode[at], task[at], rows, row[at], row[at] + rows, least(first, at), most(first, at)),
        *(least(index, at), least(offset, at), most(offset, at), most(off_grid_s, at)),
    ]
