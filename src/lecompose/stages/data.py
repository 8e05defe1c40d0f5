"""Writes the data parquet files: frames move in order, bookkeeping columns are filled from the plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import columns, formats
from lecompose.errors import OutputUnwritable, RequestError, SourceBroken
from lecompose.frames.windows import Place, batches, stored_as
from lecompose.layout import jobs
from lecompose.run import Run

# DuckDB hands over this many bytes of rows at a time, so that image datasets stay within memory.
_BATCH_BYTES = 64 * 2**20
_MAX_BATCH_ROWS = 122_880

# A query costs the footer of its file, however little it reads: beyond so many, row groups are picked out.
_FEW_READS = 16


@dataclass(frozen=True)
class _TaskMap:
    """A source's task number → the output's, for all sources of one output in one array.

    Shape: `numbers` are those of each source from its `first` on; -1 where there is none.
    """

    numbers: np.ndarray
    first: dict[str, int]


@dataclass(frozen=True)
class _File:
    """One output data file: what to read, and the episodes that lie in it, one behind the other."""

    path: Path
    reads: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    tasks: _TaskMap

    @cached_property
    def ends(self) -> np.ndarray:
        """The row behind each episode's last one. Shape: (episodes,)."""
        return np.cumsum([e["length"] for e in self.episodes])

    @cached_property
    def begins(self) -> np.ndarray:
        """Each episode's first row. Shape: (episodes,)."""
        begins: np.ndarray = self.ends - [e["length"] for e in self.episodes]
        return begins

    @property
    def rows(self) -> int:
        return int(self.ends[-1])

    @cached_property
    def size_bytes(self) -> int:
        return sum(int(e["size_bytes"]) for e in self.episodes)

    @property
    def batch_rows(self) -> int:
        """How many rows are held at a time."""
        return max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * self.rows // max(1, self.size_bytes)))

    @cached_property
    def first_tasks(self) -> np.ndarray:
        """Where in `tasks` the numbers of each episode's source begin. Shape: (episodes,)."""
        return np.array([self.tasks.first[e["src_dataset"]] for e in self.episodes], dtype=np.int64)

    def numbering(self, start: int, src_tasks: np.ndarray) -> dict[str, np.ndarray]:
        """The bookkeeping columns of the rows from `start` on, whose tasks in their sources are these."""
        rows = np.arange(start, start + len(src_tasks), dtype=np.int64)
        which = np.minimum(np.searchsorted(self.ends, rows, side="right"), len(self.episodes) - 1)
        first = self.episodes[0]
        return {
            "index": rows + first["from_index"],
            "episode_index": which + first["out_episode"],
            "frame_index": rows - self.begins[which],
            "task_index": self.tasks.numbers[self.first_tasks[which] + src_tasks],
        }


def data(run: Run) -> None:
    """Write every data file of every output, one job a file.

    Errors: SourceBroken where rows are not what the catalog saw; OutputUnwritable.
    """
    write = _writer(run)
    files = list(_files(run))
    run.progress.stage("data", sum(f.size_bytes for f in files), sum(len(f.episodes) for f in files))
    run.each(files, lambda file: _write_file(run, file, write))


def _files(run: Run) -> Iterator[_File]:
    key = ("out_dataset", "file_number")
    reads = dict(jobs(run.engine.rows("layout/all_reads"), *key))
    tasks = _task_maps(run)
    for at, episodes in jobs(run.engine.rows("layout/all_episodes"), *key):
        yield _File(run.data_file(at[0], episodes[0]), reads[at], episodes, tasks[at[0]])


def _task_maps(run: Run) -> dict[str, _TaskMap]:
    """The task numbers of each output."""
    maps = {}
    for (output,), rows in jobs(run.engine.rows("layout/all_task_maps"), "out_dataset"):
        tables: list[np.ndarray] = []
        first = {}
        for (source,), tasks in jobs(rows, "src_dataset"):
            first[source] = sum(map(len, tables))
            tables.append(_task_numbers(tasks))
        maps[output] = _TaskMap(np.concatenate(tables), first)
    return maps


def _task_numbers(tasks: list[dict[str, Any]]) -> np.ndarray:
    numbers = np.full(max(task["src_task"] for task in tasks) + 1, -1, dtype=np.int64)
    for task in tasks:
        numbers[task["src_task"]] = task["task_index"]
    return numbers


_Write = Callable[[_File, Iterator[pa.Table]], None]


def _write_file(run: Run, file: _File, write: _Write) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(file, _finished(run, file))
    except OSError as error:
        raise OutputUnwritable(f"cannot write data: {error}. ({file.path})") from error
    run.count("files_written", 1)
    run.count("bytes_encoded", file.path.stat().st_size)


# Rows -------------------------------------------------------------------------------------------


def _finished(run: Run, file: _File) -> Iterator[pa.Table]:
    """The rows of a file in order, in the output's schema and numbering, some at a time."""
    schema = run.layout.schema
    at = 0
    for batch, place in _streamed(run, file) if len(file.reads) <= _FEW_READS else _gathered(run, file):
        stop = at + batch.num_rows
        numbering = file.numbering(at, batch["task_index"].to_numpy())
        _refuse_disorder(file, batch, numbering, at)
        arrays = [_array(batch, numbering, field, place) for field in schema]
        yield pa.Table.from_arrays(arrays, schema=schema)
        done = np.searchsorted(file.ends, [at, stop], side="right")
        run.advance(file.size_bytes * batch.num_rows // file.rows, int(done[1] - done[0]))
        at = stop
    if at != file.rows:
        raise SourceBroken(
            f"data changed while it was read: {at} rows of {file.rows}. ({_place(file.reads[-1])})"
        )


_Rows = Iterator[tuple[pa.RecordBatch, str]]
"""Rows in the order of an output file, and what to call the place that they come from."""


def _gathered(run: Run, file: _File) -> _Rows:
    """Rows of episodes that lie scattered, picked out row group by row group."""
    kept = [field for field in run.layout.schema if field.name not in ("index", "episode_index")]
    places = [Place(**{name: e[name] for name in Place.__annotations__}) for e in file.episodes]
    for batch in batches(places, stored_as(pa.schema(kept)), file.batch_rows):
        yield batch, f"one of {len(file.reads)} places from {file.reads[0]['files'][0]}"


def _streamed(run: Run, file: _File) -> _Rows:
    """Rows that stand one behind the other for long, by a query a stretch."""
    context = {"columns": [n for n in run.layout.schema.names if n not in ("index", "episode_index")]}
    for read in file.reads:
        template = "write/frames_whole" if read["whole"] else "write/frames_range"
        values: dict[str, object] = {"files": [formats.escaped_glob(f) for f in read["files"]]}
        if not read["whole"]:
            values |= {"first_episode": read["first_episode"], "last_episode": read["last_episode"]}
        with run.engine.stream(template, context, batch_rows=file.batch_rows, **values) as reader:
            while (batch := _next(reader, read)) is not None:
                yield batch, _place(read)


def _next(reader: pa.RecordBatchReader, read: dict[str, Any]) -> pa.RecordBatch | None:
    try:
        return next(reader, None)
    except (pa.ArrowException, OSError) as error:
        raise SourceBroken(f"data cannot be read, damaged pages? {error}. ({_place(read)})") from error


def _place(read: dict[str, Any]) -> str:
    files = read["files"]
    return str(files[0]) if len(files) == 1 else f"one of {len(files)} files from {files[0]}"


def _refuse_disorder(file: _File, batch: pa.RecordBatch, numbering: dict[str, np.ndarray], at: int) -> None:
    """The order of frames is proven on every row that is written; nothing else would show its loss."""
    wrong = batch["frame_index"].to_numpy(zero_copy_only=False) != numbering["frame_index"]
    if len(wrong) + at > file.rows or wrong.any():
        which = int(np.searchsorted(file.ends, at + int(np.argmax(wrong)), side="right"))
        episode = file.episodes[min(which, len(file.episodes) - 1)]
        raise SourceBroken(
            f'source "{episode["src_dataset"]}", episode {episode["src_episode"]}: frames did not arrive in'
            f" order 0 to {episode['length'] - 1}. ({episode['data_file']})"
        )


def _array(batch: pa.RecordBatch, numbering: dict[str, np.ndarray], field: pa.Field, place: str) -> pa.Array:
    if field.name in formats.BOOKKEEPING:
        return pa.array(numbering[field.name])
    try:
        return columns.restored(batch[field.name], field.type)
    except pa.ArrowException as error:
        raise SourceBroken(f'feature "{field.name}" is not as declared: {error}. ({place})') from error


# Two layouts of the same rows -------------------------------------------------------------------


def _writer(run: Run) -> _Write:
    schema = run.layout.schema
    if run.target.row_groups == "episode":
        return lambda file, tables: _write_episode_groups(file, tables, schema)
    if any(kind == pa.float16() for _, kind in columns.leaves(schema)):
        raise RequestError("--row-groups packed cannot store float16. Try: --row-groups episode")
    return lambda file, tables: _write_packed(run, file, tables, schema)


def _write_episode_groups(file: _File, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """One row group an episode, as LeRobot's recorder lays its files out."""
    images = columns.image_leaves(schema)
    compression = dict.fromkeys((p for p, _ in columns.leaves(schema)), "snappy") | dict.fromkeys(
        images, "none"
    )
    with pq.ParquetWriter(
        file.path, schema, compression=compression, use_dictionary=columns.text_leaves(schema)
    ) as writer:
        for episode in _sliced(tables, [e["length"] for e in file.episodes]):
            writer.write_table(episode, row_group_size=max(1, episode.num_rows))


def _sliced(tables: Iterator[pa.Table], lengths: list[int]) -> Iterator[pa.Table]:
    """The rows of `tables` cut anew, into so many each."""
    rest = next(tables)
    for length in lengths:
        while rest.num_rows < length:
            rest = pa.concat_tables([rest, next(tables)])
        yield rest.slice(0, length)
        rest = rest.slice(length)
    for _ in tables:
        raise SourceBroken("more rows than the plan has episodes for")


def _write_packed(run: Run, file: _File, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """Large row groups by DuckDB's COPY, the exact schema reattached as file metadata."""
    plain = columns.plain(schema)
    batches = (batch for table in tables for batch in columns.in_plain(table, plain).to_batches())
    run.engine.copy_batches(
        plain,
        batches,
        "write/packed",
        path=str(file.path),
        row_group_rows=file.batch_rows,
        huggingface=(schema.metadata or {})[b"huggingface"].decode(),
        arrow_schema=columns.arrow_schema_value(schema).decode(),
    )
