"""Writes the data parquet files: frames move in order, bookkeeping columns are filled from the plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import columns, formats
from lecompose.added import Added
from lecompose.catalog.files import by_name, damaged
from lecompose.errors import OutputUnwritable, QueryError, SourceBroken
from lecompose.frames.windows import Place, batches, stored_as
from lecompose.layout import jobs
from lecompose.run import Run
from lecompose.values import stored_names, taken

# DuckDB hands over this many bytes of rows at a time, so that image datasets stay within memory.
_BATCH_BYTES = 64 * 2**20
_MAX_BATCH_ROWS = 122_880

# A reader holds a whole page. Source: pyarrow's defaults.
_PAGE_BYTES = 2**20
_MAX_PAGE_ROWS = 1024

# Of an episode: its compressed page, its values, and those that are about to be written.
_COPIES = 4

# A query costs the footer of its file, however little it reads: beyond so many, row groups are picked out.
_FEW_READS = 16


@dataclass(frozen=True)
class _TaskMap:
    """A source's task number → the output's, for all sources of one output in one array.

    Shape: `numbers` are those of each source, its number 0 at its `first`; -1 where there is none. Of
    subtasks a source may have no part in it. An episode that has other tasks than its source has a first
    of its own; that of the source is under None.
    """

    numbers: np.ndarray
    first: dict[tuple[str, int | None], int]

    def starts(self, episodes: list[dict[str, Any]]) -> np.ndarray:
        """Where each episode has its number 0; `_ABSENT` where it has no part. Shape: (episodes,)."""
        return np.array([self._start(e["src_dataset"], e["src_episode"]) for e in episodes], dtype=np.int64)

    def _start(self, source: str, episode: int) -> int:
        return self.first.get((source, episode), self.first.get((source, None), _ABSENT))


_ABSENT = np.iinfo(np.int64).min
_NO_TASKS = _TaskMap(np.empty(0, dtype=np.int64), {})


@dataclass(frozen=True)
class _File:
    """One output data file: what to read, and the episodes that lie in it, one behind the other."""

    path: Path
    reads: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    tasks: _TaskMap
    subtasks: _TaskMap = _NO_TASKS

    @cached_property
    def ends(self) -> np.ndarray:
        """The row behind each episode's last one. Shape: (episodes,)."""
        return np.cumsum([e["length"] for e in self.episodes])

    @cached_property
    def read_ends(self) -> np.ndarray:
        """The same among the rows that are read, of which some may be left out. Shape: (episodes,)."""
        return np.cumsum([e["src_length"] for e in self.episodes])

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

    @property
    def page_rows(self) -> int:
        """After how many rows the writer looks whether a page is full: 1,024 pictures would all be in one."""
        return max(1, min(_MAX_PAGE_ROWS, _PAGE_BYTES * self.rows // max(1, self.size_bytes)))

    @cached_property
    def first_tasks(self) -> np.ndarray:
        """Where in `tasks` the number 0 of each episode's source is. Shape: (episodes,)."""
        return self.tasks.starts(self.episodes)

    @cached_property
    def first_subtasks(self) -> np.ndarray:
        """The same in `subtasks`. Shape: (episodes,)."""
        return self.subtasks.starts(self.episodes)

    def episode_at(self, row: int, ends: np.ndarray) -> dict[str, Any]:
        """The episode of a row, where the episodes end at these rows."""
        which = int(np.searchsorted(ends, row, side="right"))
        return self.episodes[min(which, len(self.episodes) - 1)]

    def where_read(self, start: int, row: int) -> str:
        """The episode, in its source, of a row that is read after `start`."""
        return _named(self.episode_at(start + row, self.read_ends))

    def pieces(self, start: int, stop: int) -> Iterator[tuple[dict[str, Any], range]]:
        """The episodes of the rows [start, stop), and the frames of their sources that these are."""
        which = np.searchsorted(self.ends, [start, stop - 1], side="right")
        for n in range(int(which[0]), int(which[1]) + 1):
            episode, begins = self.episodes[n], int(self.begins[n])
            step = episode["stride"]
            first, last = max(start, begins) - begins, min(stop, int(self.ends[n])) - begins
            yield episode, range(first * step, (last - 1) * step + 1, step)

    def numbering(self, start: int, src_tasks: np.ndarray) -> dict[str, np.ndarray]:
        """The bookkeeping columns of the rows from `start` on, whose tasks in their sources are these."""
        rows = np.arange(start, start + len(src_tasks), dtype=np.int64)
        which = self._which(rows)
        first = self.episodes[0]
        return {
            "index": rows + first["from_index"],
            "episode_index": which + first["out_episode"],
            "frame_index": rows - self.begins[which],
            "task_index": self.tasks.numbers[self.first_tasks[which] + src_tasks],
        }

    def subtask_numbers(self, start: int, src: pa.Array) -> pa.Array:
        """The output's numbers of these subtasks, from row `start` on; nulls and numbers below 0 stay."""
        numbers = src.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        absent = src.is_null().to_numpy(zero_copy_only=False)
        first = self.first_subtasks[self._which(np.arange(start, start + len(src)))]
        known = (first != _ABSENT) & (numbers >= 0) & ~absent
        numbers[known] = self.subtasks.numbers[(first + numbers)[known]]
        return pa.array(numbers, mask=absent).cast(src.type)

    def _which(self, rows: np.ndarray) -> np.ndarray:
        """The place in `episodes` of each row's."""
        return np.minimum(np.searchsorted(self.ends, rows, side="right"), len(self.episodes) - 1)


def _named(episode: dict[str, Any]) -> str:
    return f'source "{episode["src_dataset"]}", episode {episode["src_episode"]}'


def data(run: Run) -> None:
    """Write every data file of every output, one job a file.

    Errors: SourceBroken where rows are not what the catalog saw; OutputUnwritable.
    """
    write = _writer(run)
    files = run.unfinished(list(_files(run)))
    run.progress.stage("data", sum(f.size_bytes for f in files), sum(len(f.episodes) for f in files))
    run.each(files, lambda file: _write_file(run, file, write), threads=_threads(run, files))


def _threads(run: Run, files: list[_File]) -> int:
    """How many files may be written at once: of each an episode is held, and what it was read from."""
    largest = max((int(e["size_bytes"]) for file in files for e in file.episodes), default=0)
    return max(1, min(run.engine.threads, run.engine.memory_bytes // max(1, _COPIES * largest)))


def _files(run: Run) -> Iterator[_File]:
    key = ("out_dataset", "file_number")
    reads = dict(jobs(run.engine.rows("layout/all_reads"), *key))
    tasks = _task_maps(run.engine.rows("layout/all_task_maps"))
    subtasks = _task_maps(run.engine.rows("layout/subtask_map")) if run.layout.has_subtasks else {}
    for at, episodes in jobs(run.engine.rows("layout/all_episodes"), *key):
        path = run.data_file(at[0], episodes[0])
        yield _File(path, reads[at], episodes, tasks[at[0]], subtasks.get(at[0], _NO_TASKS))


def _task_maps(numbers: list[dict[str, Any]]) -> dict[str, _TaskMap]:
    """The task numbers of each output."""
    maps = {}
    for (output,), rows in jobs(numbers, "out_dataset"):
        tables: list[np.ndarray] = []
        first = {}
        size = 0
        for (source, episode), tasks in jobs(rows, "src_dataset", "src_episode"):
            lowest = min(task["src_task"] for task in tasks)
            first[source, episode] = size - lowest
            tables.append(_task_numbers(tasks, lowest))
            size += len(tables[-1])
        maps[output] = _TaskMap(np.concatenate(tables), first)
    return maps


def _task_numbers(tasks: list[dict[str, Any]], lowest: int) -> np.ndarray:
    numbers = np.full(max(task["src_task"] for task in tasks) - lowest + 1, -1, dtype=np.int64)
    for task in tasks:
        numbers[task["src_task"] - lowest] = task["task_index"]
    return numbers


_Write = Callable[[_File, Iterator[pa.Table]], None]


def _write_file(run: Run, file: _File, write: _Write) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(file, _finished(run, file))
    except OSError as error:
        raise OutputUnwritable(f"cannot write data: {error}. ({file.path})") from error
    run.finish(file.path)
    run.count("bytes_encoded", file.path.stat().st_size)


# Rows -------------------------------------------------------------------------------------------


def _finished(run: Run, file: _File) -> Iterator[pa.Table]:
    """The rows of a file in order, in the output's schema and numbering, some at a time."""
    schema = run.layout.schema
    at = 0
    for batch in _streamed(run, file) if _by_query(run, file) else _gathered(run, file):
        stop = at + batch.num_rows
        numbering = file.numbering(at, batch["task_index"].to_numpy())
        _refuse_disorder(file, batch, numbering, at)
        numbered = {name: pa.array(numbering[name]) for name in formats.BOOKKEEPING}
        if file.subtasks is not _NO_TASKS:
            own = batch[formats.SUBTASK_INDEX]
            numbered[formats.SUBTASK_INDEX] = file.subtask_numbers(at, own)
        for name, column in run.layout.added.items():
            numbered[name] = _values(column, file, at, stop)
        arrays = [numbered[name] if name in numbered else batch[name] for name in schema.names]
        yield pa.Table.from_arrays(arrays, schema=schema)
        done = np.searchsorted(file.ends, [at, stop], side="right")
        run.advance(file.size_bytes * batch.num_rows // file.rows, int(done[1] - done[0]))
        at = stop
    if at != file.rows:
        raise SourceBroken(
            f"data changed while it was read: {at} rows of {file.rows}. ({_place(file.reads[-1])})"
        )


def _by_query(run: Run, file: _File) -> bool:
    """Whether DuckDB reads the rows. It holds 2,048 at a time on each thread: of pictures some 500 MB."""
    held = run.target.columns
    few = len(file.reads) <= _FEW_READS
    return few and not columns.follow_content(held) and not any(f.is_visual for f in held)


def _values(column: Added, file: _File, start: int, stop: int) -> pa.Array:
    """The values of a new feature for the rows [start, stop)."""
    chunks = [
        chunk
        for episode, frames in file.pieces(start, stop)
        for chunk in column.of(episode["src_dataset"], episode["src_episode"], frames)
    ]
    return pa.concat_arrays(chunks)


def _gathered(run: Run, file: _File) -> Iterator[pa.RecordBatch]:
    """Rows of episodes that lie scattered, picked out row group by row group."""
    shape = stored_as(_kept(run), run.target.taken)
    pace = run.target.pace
    for steps, episodes in groupby(file.episodes, key=lambda e: pace.steps(e["src_dataset"])):
        for batch in batches(list(map(_place_of, episodes)), shape, file.batch_rows):
            yield steps.taken(batch)


def _place_of(episode: dict[str, Any]) -> Place:
    values = {name: episode[name] for name in Place.__annotations__}
    return Place(**{**values, "length": episode["src_length"]})


def _streamed(run: Run, file: _File) -> Iterator[pa.RecordBatch]:
    """Rows that stand one behind the other for long, by a query a stretch."""
    kept = _kept(run)
    at = 0
    for read in file.reads:
        source = read["src_dataset"]
        takes, steps = run.target.taken[source], run.target.pace.steps(source)
        columns = [{"stored": own, "name": name} for name, own in stored_names(kept, takes).items()]
        named = {c["name"]: c["name"] for c in columns}
        for batch in _stored(run, read, columns, file.batch_rows):
            where = partial(file.where_read, at)
            rows = taken(batch, kept, named, takes, where=where, file=_place(read))
            yield steps.taken(rows)
            at += batch.num_rows


def _kept(run: Run) -> pa.Schema:
    """The columns that are read: all but those that only the output's numbering knows."""
    return pa.schema([f for f in run.layout.schema if f.name not in ("index", "episode_index")])


def _stored(
    run: Run, read: dict[str, Any], columns: list[dict[str, str]], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The rows of a stretch as its files have them. Errors: SourceBroken naming the file that is damaged."""
    template = "write/frames_whole" if read["whole"] else "write/frames_range"
    values: dict[str, object] = {"files": [formats.escaped_glob(f) for f in read["files"]]}
    if read["whole"]:
        values |= {"by_name": by_name(read["files"])}
    else:
        values |= {"first_episode": read["first_episode"], "last_episode": read["last_episode"]}
    try:
        with run.engine.stream(template, {"columns": columns}, batch_rows=batch_rows, **values) as reader:
            yield from reader
    except (pa.ArrowException, OSError, QueryError, SourceBroken) as error:
        reason = str(error.__cause__ or error).partition("\n")[0].rstrip(" .:")
        raise SourceBroken(
            f"data cannot be read, damaged pages? {reason}. ({damaged(read['files']) or _place(read)})"
        ) from error


def _place(read: dict[str, Any]) -> str:
    files = read["files"]
    return str(files[0]) if len(files) == 1 else f"one of {len(files)} files from {files[0]}"


def _refuse_disorder(file: _File, batch: pa.RecordBatch, numbering: dict[str, np.ndarray], at: int) -> None:
    """The order of frames is proven on every row that is written; nothing else would show its loss."""
    wrong = batch["frame_index"].to_numpy(zero_copy_only=False) != numbering["frame_index"]
    if len(wrong) + at > file.rows or wrong.any():
        episode = file.episode_at(at + int(np.argmax(wrong)), file.ends)
        raise SourceBroken(
            f"{_named(episode)}: frames did not arrive in order 0 to {episode['src_length'] - 1}."
            f" ({episode['data_file']})"
        )


# Two layouts of the same rows -------------------------------------------------------------------


def _writer(run: Run) -> _Write:
    schema = run.layout.schema
    if run.target.row_groups == "episode":
        return lambda file, tables: _write_groups(file, tables, schema, [e["length"] for e in file.episodes])
    if any(kind == pa.float16() for _, kind in columns.leaves(schema)):
        # DuckDB has no such type to write.
        return lambda file, tables: _write_groups(file, tables, schema, _packed(file))
    return lambda file, tables: _write_packed(run, file, tables, schema)


def _packed(file: _File) -> list[int]:
    """The rows of each of a few large row groups."""
    return [min(file.batch_rows, file.rows - first) for first in range(0, file.rows, file.batch_rows)]


def _write_groups(file: _File, tables: Iterator[pa.Table], schema: pa.Schema, rows: list[int]) -> None:
    """Row groups of so many rows each; LeRobot's recorder lays its files out with one an episode."""
    images = columns.image_leaves(schema)
    compression = dict.fromkeys((p for p, _ in columns.leaves(schema)), "snappy") | dict.fromkeys(
        images, "none"
    )
    with pq.ParquetWriter(
        file.path,
        schema,
        compression=compression,
        use_dictionary=columns.text_leaves(schema),
        write_batch_size=file.page_rows,
    ) as writer:
        for group in _sliced(tables, rows):
            writer.write_table(group, row_group_size=max(1, group.num_rows))


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
