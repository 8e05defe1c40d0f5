"""Writes the data parquet files: frames move in order, bookkeeping columns are filled from the plan."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import columns, formats
from lecompose.errors import OutputUnwritable, RequestError, SourceBroken
from lecompose.layout import jobs
from lecompose.run import Run

# DuckDB hands over this many bytes of rows at a time, so that image datasets stay within memory.
_BATCH_BYTES = 64 * 2**20
_MAX_BATCH_ROWS = 122_880


@dataclass(frozen=True)
class _File:
    """One output data file: what to read, and the episodes that lie in it."""

    path: Path
    reads: list[dict[str, Any]]
    episodes: list[dict[str, Any]]

    @property
    def rows(self) -> int:
        return sum(int(e["length"]) for e in self.episodes)

    @property
    def size_bytes(self) -> int:
        return sum(int(e["size_bytes"]) for e in self.episodes)

    @property
    def batch_rows(self) -> int:
        """How many rows are held at a time."""
        return max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * self.rows // max(1, self.size_bytes)))


def data(run: Run) -> None:
    """Write every data file of every output, one job a file.

    Errors: SourceBroken where rows are not what the catalog saw; OutputUnwritable.
    """
    schema = columns.data_schema(run.layout.catalog, run.target.columns)
    write = _writer(run.target.row_groups, schema)
    files = list(_files(run))
    run.progress.stage("data", sum(f.size_bytes for f in files), sum(len(f.episodes) for f in files))
    tasks = _task_maps(run)
    with ThreadPoolExecutor(max(1, min(run.engine.threads, len(files)))) as pool:
        for done in [pool.submit(_write_file, run, file, schema, tasks, write) for file in files]:
            done.result()


def _files(run: Run) -> Iterator[_File]:
    key = ("out_dataset", "file_number")
    reads = dict(jobs(run.engine.rows("layout/all_reads"), *key))
    for at, episodes in jobs(run.engine.rows("layout/all_episodes"), *key):
        yield _File(run.data_file(at[0], episodes[0]), reads[at], episodes)


def _task_maps(run: Run) -> dict[tuple[str, str], np.ndarray]:
    """(output, source) → array from the source's task number to the output's; -1 where there is none."""
    maps = {}
    for at, rows in jobs(run.engine.rows("layout/all_task_maps"), "out_dataset", "src_dataset"):
        table = np.full(max(row["src_task"] for row in rows) + 1, -1, dtype=np.int64)
        for row in rows:
            table[row["src_task"]] = row["task_index"]
        maps[at] = table
    return maps


_Write = Callable[[Run, _File, Iterator[pa.Table]], None]


def _write_file(
    run: Run, file: _File, schema: pa.Schema, tasks: dict[tuple[str, str], np.ndarray], write: _Write
) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(run, file, _episode_tables(run, file, schema, tasks))
    except OSError as error:
        raise OutputUnwritable(f"cannot write data: {error}. ({file.path})") from error
    run.count("files_written", 1)
    run.count("bytes_encoded", file.path.stat().st_size)


def _episode_tables(
    run: Run, file: _File, schema: pa.Schema, tasks: dict[tuple[str, str], np.ndarray]
) -> Iterator[pa.Table]:
    """Each episode of a file as one table in the output's schema, in order."""
    episodes = iter(file.episodes)
    for read in file.reads:
        with run.engine.stream(*_query(read, schema), batch_rows=file.batch_rows, **_values(read)) as reader:
            rows = _Rows(reader)
            left = read["rows"]
            while left:
                episode = next(episodes)
                table = rows.take(episode["length"])
                left -= episode["length"]
                yield _finished(table, episode, schema, tasks)
                run.advance(episode["size_bytes"], 1)


def _query(read: dict[str, Any], schema: pa.Schema) -> tuple[str, dict[str, object]]:
    template = "write/frames_whole" if read["whole"] else "write/frames_range"
    return template, {"columns": [n for n in schema.names if n not in ("index", "episode_index")]}


def _values(read: dict[str, Any]) -> dict[str, object]:
    values: dict[str, object] = {"files": [formats.escaped_glob(f) for f in read["files"]]}
    if not read["whole"]:
        values |= {"first_episode": read["first_episode"], "last_episode": read["last_episode"]}
    return values


class _Rows:
    """A stream of record batches, taken in slices of any length."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader
        self._rest: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.Table:
        """The next `count` rows. Errors: SourceBroken where the stream ends before."""
        parts = []
        missing = count
        while missing:
            batch = self._rest.pop() if self._rest else self._next()
            if batch is None:
                raise SourceBroken(f"data files changed while they were read: {missing} rows are missing")
            parts.append(batch.slice(0, missing))
            if batch.num_rows > missing:
                self._rest.append(batch.slice(missing))
            missing -= parts[-1].num_rows
        return pa.Table.from_batches(parts)

    def _next(self) -> pa.RecordBatch | None:
        try:
            return next(self._reader, None)
        except (pa.ArrowException, OSError) as error:
            raise SourceBroken(f"data files cannot be read: {error}") from error


def _finished(
    table: pa.Table, episode: dict[str, Any], schema: pa.Schema, tasks: dict[tuple[str, str], np.ndarray]
) -> pa.Table:
    """An episode's rows in the output's schema and numbering."""
    length = episode["length"]
    if not np.array_equal(table["frame_index"].to_numpy(), np.arange(length)):
        raise SourceBroken(
            f'source "{episode["src_dataset"]}", episode {episode["src_episode"]}: frames did not arrive in'
            f" order 0 to {length - 1}. ({episode['data_file']})"
        )
    task_map = tasks[episode["out_dataset"], episode["src_dataset"]]
    numbered = {
        "index": np.arange(episode["from_index"], episode["to_index"], dtype=np.int64),
        "episode_index": np.full(length, episode["out_episode"], dtype=np.int64),
        "task_index": task_map[table["task_index"].to_numpy()],
    }
    return pa.Table.from_arrays(
        [pa.array(numbered[f.name]) if f.name in numbered else _column(table, f) for f in schema],
        schema=schema,
    )


def _column(table: pa.Table, field: pa.Field) -> pa.Array:
    column = table[field.name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return columns.restored(column, field.type)


# Two layouts of the same rows -------------------------------------------------------------------


def _writer(row_groups: str, schema: pa.Schema) -> _Write:
    if row_groups == "episode":
        return lambda run, file, tables: _write_episode_groups(file.path, tables, schema)
    if any(kind == pa.float16() for _, kind in columns.leaves(schema)):
        raise RequestError("--row-groups packed cannot store float16. Try: --row-groups episode")
    return lambda run, file, tables: _write_packed(run, file, tables, schema)


def _write_episode_groups(path: Path, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """One row group an episode, as LeRobot's recorder lays its files out."""
    images = columns.image_leaves(schema)
    compression = dict.fromkeys((p for p, _ in columns.leaves(schema)), "snappy") | dict.fromkeys(
        images, "none"
    )
    with pq.ParquetWriter(
        path, schema, compression=compression, use_dictionary=columns.text_leaves(schema)
    ) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))


def _write_packed(run: Run, file: _File, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """Large row groups by DuckDB's COPY, the exact schema reattached as file metadata."""
    plain = columns.plain(schema)
    batches = (batch for table in tables for batch in _plain_batches(table, plain))
    run.engine.copy_batches(
        pa.RecordBatchReader.from_batches(plain, batches),
        "write/packed",
        path=str(file.path),
        row_group_rows=file.batch_rows,
        huggingface=(schema.metadata or {})[b"huggingface"].decode(),
        arrow_schema=columns.arrow_schema_value(schema).decode(),
    )


def _plain_batches(table: pa.Table, plain: pa.Schema) -> Iterator[pa.RecordBatch]:
    arrays = [columns.restored(_column(table, table.schema.field(f.name)), f.type) for f in plain]
    yield from pa.Table.from_arrays(arrays, schema=plain).to_batches()
