"""The rows of an output data file, decoded: in order, in the output's schema and numbering."""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from lecompose import formats
from lecompose.composition.computed_features import ComputedFeature
from lecompose.composition.context import Run
from lecompose.composition.stages.data.output_file import NO_TASKS, OutputFile, named
from lecompose.dataset import arrow_schema
from lecompose.dataset.catalog.data_files import find_damaged, needs_union_by_name
from lecompose.dataset.convert import convert_batch, stored_names
from lecompose.dataset.frames.read_in_order import PlacedEpisode, output_columns, read_batches
from lecompose.engine.duckdb_errors import first_line
from lecompose.errors import QueryError, SourceBroken

# A query costs the footer of its file, however little it reads: beyond so many, row groups are picked out.
_FEW_READS = 16


def finished(run: Run, file: OutputFile) -> Iterator[pa.Table]:
    """The rows of a file in order, in the output's schema and numbering, some at a time."""
    schema = run.layout.schema
    at = 0
    for batch in _streamed(run, file) if _by_query(run, file) else _gathered(run, file):
        stop = at + batch.num_rows
        numbering = file.numbering(at, batch["task_index"].to_numpy())
        _refuse_disorder(file, batch, numbering, at)
        numbered = {name: pa.array(numbering[name]) for name in formats.BOOKKEEPING}
        if file.subtasks is not NO_TASKS:
            own = batch[formats.SUBTASK_INDEX]
            numbered[formats.SUBTASK_INDEX] = file.subtask_numbers(at, own)
        for name, column in run.layout.computed.items():
            numbered[name] = _values(column, file, at, stop)
        arrays = [numbered[name] if name in numbered else batch[name] for name in schema.names]
        yield pa.Table.from_arrays(arrays, schema=schema)
        done = np.searchsorted(file.ends, [at, stop], side="right")
        run.workers.advance(file.size_bytes * batch.num_rows // file.rows, int(done[1] - done[0]))
        at = stop
    if at != file.rows:
        raise SourceBroken(
            f"data changed while it was read: {at} rows of {file.rows}", path=_place(file.reads[-1])
        )


def _by_query(run: Run, file: OutputFile) -> bool:
    """Whether DuckDB reads the rows. It holds 2,048 at a time on each thread: of pictures some 500 MB."""
    held = run.output_spec.columns
    few = len(file.reads) <= _FEW_READS
    return few and not arrow_schema.types_follow_content(held) and not any(f.is_visual for f in held)


def _values(column: ComputedFeature, file: OutputFile, start: int, stop: int) -> pa.Array:
    """The values of a new feature for the rows [start, stop)."""
    chunks = [
        chunk
        for episode, frames in file.pieces(start, stop)
        for chunk in column.of(episode["src_dataset"], episode["src_episode"], frames)
    ]
    return pa.concat_arrays(chunks)


def _gathered(run: Run, file: OutputFile) -> Iterator[pa.RecordBatch]:
    """Rows of episodes that lie scattered, picked out row group by row group."""
    shape = output_columns(_kept(run), run.output_spec.taken)
    resampling = run.output_spec.resampling
    for steps, episodes in groupby(file.episodes, key=lambda e: resampling.of_source(e["src_dataset"])):
        for batch in read_batches(list(map(_place_of, episodes)), shape, file.batch_rows):
            yield steps.apply(batch)


def _place_of(episode: dict[str, Any]) -> PlacedEpisode:
    values = {name: episode[name] for name in PlacedEpisode.__annotations__}
    return PlacedEpisode(**{**values, "length": episode["src_length"]})


def _streamed(run: Run, file: OutputFile) -> Iterator[pa.RecordBatch]:
    """Rows that stand one behind the other for long, by a query a stretch."""
    kept = _kept(run)
    at = 0
    for read in file.reads:
        source = read["src_dataset"]
        takes, steps = run.output_spec.taken[source], run.output_spec.resampling.of_source(source)
        columns = [{"stored": own, "name": name} for name, own in stored_names(kept, takes).items()]
        named = {c["name"]: c["name"] for c in columns}
        for batch in _stored(run, read, columns, file.batch_rows):
            where = partial(file.where_read, at)
            rows = convert_batch(batch, kept, named, takes, where=where, file=_place(read))
            yield steps.apply(rows)
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
        values |= {"by_name": needs_union_by_name(read["files"])}
    else:
        values |= {"first_episode": read["first_episode"], "last_episode": read["last_episode"]}
    try:
        with run.engine.stream(template, {"columns": columns}, batch_rows=batch_rows, **values) as reader:
            yield from reader
    except (pa.ArrowException, OSError) as error:
        raise _damaged(read, str(error).partition("\n")[0]) from error
    except (QueryError, SourceBroken) as error:
        raise _damaged(read, first_line(error)) from error


def _damaged(read: dict[str, Any], reason: str) -> SourceBroken:
    file = find_damaged(read["files"]) or _place(read)
    return SourceBroken("data cannot be read, damaged pages?", reason=reason, path=file)


def _place(read: dict[str, Any]) -> str:
    files = read["files"]
    return str(files[0]) if len(files) == 1 else f"one of {len(files)} files from {files[0]}"


def _refuse_disorder(
    file: OutputFile, batch: pa.RecordBatch, numbering: dict[str, np.ndarray], at: int
) -> None:
    """The order of frames is proven on every row that is written; nothing else would show its loss."""
    wrong = batch["frame_index"].to_numpy(zero_copy_only=False) != numbering["frame_index"]
    if len(wrong) + at > file.rows or wrong.any():
        episode = file.episode_at(at + int(np.argmax(wrong)), file.ends)
        raise SourceBroken(
            f"{named(episode)}: frames did not arrive in order 0 to {episode['src_length'] - 1}",
            path=episode["data_file"],
        )
