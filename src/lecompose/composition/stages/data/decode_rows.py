"""Decode the rows of a data file: in order, in the output's schema and numbering."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa

from lecompose import formats
from lecompose.composition.jobs import ABSENT, ComputedColumn, DataFileJob, EpisodeRows
from lecompose.composition.stages.data.cut_language import PERSISTENT, cut_language
from lecompose.composition.stages.data.embed_pictures import embed_pictures, list_embedded
from lecompose.composition.stages.data.number_rows import RowNumbers
from lecompose.concurrency import Workers
from lecompose.dataset import arrow_schema
from lecompose.dataset.catalog.data_files import needs_union_by_name
from lecompose.dataset.convert import convert_batch, stored_names
from lecompose.dataset.frames.read_in_order import PlacedEpisode, output_columns, read_batches
from lecompose.engine import Engine
from lecompose.engine.duckdb_errors import first_line
from lecompose.errors import QueryError, SourceBroken
from lecompose.files.parquet.damage import find_damage

# A query costs the footer of its file, however little it reads: beyond so many, row groups are picked out.
_FEW_READS = 16
# So many bytes of rows are held at a time, so that image datasets stay within memory.
_BATCH_BYTES = 64 * 2**20
_MAX_BATCH_ROWS = 122_880


@dataclass(frozen=True)
class Read:
    """A stretch of rows of one source, fetched by one query: whole files, or neighbouring episodes of one."""

    src_dataset: str
    is_whole: bool
    files: list[str]
    first_episode: int
    last_episode: int

    @property
    def title(self) -> str:
        """The files as messages name them."""
        return (
            self.files[0] if len(self.files) == 1 else f"one of {len(self.files)} files from {self.files[0]}"
        )


def decode_rows(job: DataFileJob, engine: Engine, workers: Workers) -> Iterator[pa.Table]:
    """Yield the rows of a file in order, in the output's schema and numbering, some at a time.

    Raises:
        SourceBroken: if they are not what the job says.
    """
    numbers = RowNumbers(job)
    columns = [(column, _open_values(column)) for column in job.computed]
    reads = list(_plan_reads(job))
    read = _query_rows(job, reads, numbers, engine) if _is_for_queries(job, reads) else _pick_rows(job)
    pictures = list_embedded(job)
    at = 0
    for batch in read:
        stop = at + batch.num_rows
        own = numbers.number(at, batch["task_index"].to_numpy())
        _refuse_disorder(numbers, batch, own, at)
        numbered = {name: pa.array(own[name]) for name in formats.BOOKKEEPING}
        if job.subtask_numbers is not None:
            numbered[formats.SUBTASK_INDEX] = numbers.number_subtasks(at, batch[formats.SUBTASK_INDEX])
        for name in job.task_columns:
            numbered[name] = numbers.number_task_column(name, at, batch[name])
        for column, values in columns:
            if column.dimension is None:
                numbered[column.name] = _read_values(column, values, numbers, at, stop)
            else:
                held = numbered.get(column.name, batch[column.name])
                numbered[column.name] = _set_dimension(held, column, values, numbers, at)
        for name in pictures:
            numbered[name] = embed_pictures(job, batch[name], partial(_episode_of, numbers, at))
        arrays = [numbered[name] if name in numbered else batch[name] for name in job.schema.names]
        yield pa.Table.from_arrays(arrays, schema=job.schema)
        done = np.searchsorted(numbers.ends, [at, stop], side="right")
        workers.advance(job.size_bytes * batch.num_rows // job.rows, int(done[1] - done[0]))
        at = stop
    if at != job.rows:
        raise SourceBroken(f"data changed while it was read: {at} rows of {job.rows}", path=reads[-1].title)


def _episode_of(numbers: RowNumbers, start: int, row: int) -> EpisodeRows:
    return numbers.episode_at(start + row)


def batch_rows(job: DataFileJob) -> int:
    """Return how many rows are held at a time."""
    return max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * job.rows // max(1, job.size_bytes)))


def _is_for_queries(job: DataFileJob, reads: list[Read]) -> bool:
    """Return whether DuckDB reads the rows. It holds 2,048 a thread at a time: of pictures some 500 MB."""
    few = len(reads) <= _FEW_READS
    return (
        few
        and all(episode.is_whole and not episode.at for episode in job.episodes)
        and not arrow_schema.types_follow_content(job.features)
        and not any(f.is_visual for f in job.features)
    )


# Features that no source has -------------------------------------------------------------------


def _open_values(column: ComputedColumn) -> pa.ChunkedArray:
    # Mapped, not read: what is not asked for costs nothing.
    with pa.memory_map(column.path) as mapped:
        return pa.ipc.open_file(mapped).read_all().column(0)


def _read_values(
    column: ComputedColumn, values: pa.ChunkedArray, numbers: RowNumbers, start: int, stop: int
) -> pa.Array:
    """Return the values for the rows [start, stop)."""
    chunks = [
        chunk
        for place, frames in numbers.src_frames(start, stop)
        for chunk in values.slice(column.rows[place] + frames.start, len(frames)).chunks
    ]
    return pa.concat_arrays(chunks)


def _set_dimension(
    vectors: pa.Array, column: ComputedColumn, values: pa.ChunkedArray, numbers: RowNumbers, start: int
) -> pa.Array:
    """Return the vectors of the rows from `start` on, where computed values are one of their dimensions."""
    kind, rows = vectors.type, len(vectors)
    is_list = formats.is_list(kind)
    size = kind.list_size if is_list else 1
    held = vectors.values.slice(vectors.offset * size, rows * size) if is_list else vectors
    found, at = [held], start
    places = np.arange(rows * size)
    for place, frames in numbers.src_frames(start, start + rows):
        if column.rows[place] != ABSENT:
            own = (at - start + np.arange(len(frames))) * size + (column.dimension or 0)
            places[own] = sum(map(len, found)) + np.arange(len(frames))
            found += values.slice(column.rows[place] + frames.start, len(frames)).chunks
        at += len(frames)
    numbers_of_all = pa.concat_arrays(found).take(pa.array(places))
    if not is_list:
        return numbers_of_all
    mask = vectors.is_null() if vectors.null_count else None
    return pa.FixedSizeListArray.from_arrays(numbers_of_all, type=kind, mask=mask)


# Rows that lie scattered, and rows that stand together -----------------------------------------


def _pick_rows(job: DataFileJob) -> Iterator[pa.RecordBatch]:
    """Yield rows of episodes that lie scattered, picked out row group by row group."""
    shape = output_columns(_read_schema(job), {name: columns.takes for name, columns in job.sources.items()})
    alike = groupby(job.episodes, key=lambda episode: job.sources[episode.src_dataset].resampling)
    for resampling, group in alike:
        episodes, at = list(group), 0
        lengths = [episode.src_length for episode in episodes]
        which = np.repeat(np.arange(len(episodes)), lengths)
        # The frame of the source that is the first of its episode, were all before it there.
        from_frames = np.array([e.from_frame - e.at * resampling.stride for e in episodes])
        has_parts = not all(episode.is_whole and not episode.at for episode in episodes)
        for batch in read_batches(list(map(_place_episode, episodes)), shape, batch_rows(job)):
            own = which[at : at + batch.num_rows]
            at += batch.num_rows
            if has_parts and PERSISTENT in batch.schema.names:
                place = batch.schema.get_field_index(PERSISTENT)
                said = cut_language(batch[PERSISTENT], episodes, own, resampling=resampling)
                batch = batch.set_column(place, batch.schema.field(place), said)
            yield resampling.apply(resampling.begin_at(batch, from_frames[own]))


def _place_episode(episode: EpisodeRows) -> PlacedEpisode:
    return PlacedEpisode(
        src_dataset=episode.src_dataset,
        src_episode=episode.src_episode,
        length=episode.src_length,
        data_file=episode.data_file,
        row_from=episode.row_from,
        row_to=episode.row_to,
        size_bytes=episode.size_bytes,
        from_frame=episode.from_frame,
    )


def _query_rows(
    job: DataFileJob, reads: list[Read], numbers: RowNumbers, engine: Engine
) -> Iterator[pa.RecordBatch]:
    """Yield rows that stand one behind the other for long, by a query a stretch."""
    schema = _read_schema(job)
    at = 0
    for read in reads:
        takes, resampling = job.sources[read.src_dataset].takes, job.sources[read.src_dataset].resampling
        columns = [{"stored": own, "name": name} for name, own in stored_names(schema, takes).items()]
        named = {c["name"]: c["name"] for c in columns}
        for batch in _query_stretch(engine, read, columns, batch_rows(job)):
            where = partial(_title_at, numbers, at)
            rows = convert_batch(batch, schema, named, takes, where=where, file=read.title)
            yield resampling.apply(rows)
            at += batch.num_rows


def _title_at(numbers: RowNumbers, start: int, row: int) -> str:
    """Return the episode, as messages name it, of a row that is read after `start`."""
    return numbers.episode_read_at(start + row).title


def _read_schema(job: DataFileJob) -> pa.Schema:
    """Return the columns that are read: all but those that only the output's numbering knows."""
    return pa.schema([f for f in job.schema if f.name not in ("index", "episode_index")])


def _query_stretch(
    engine: Engine, read: Read, columns: list[dict[str, str]], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a stretch as its files have them.

    Raises:
        SourceBroken: naming the file that is damaged.
    """
    template = "write/frames_whole" if read.is_whole else "write/frames_range"
    values: dict[str, object] = {"files": [formats.escaped_glob(f) for f in read.files]}
    if read.is_whole:
        values |= {"by_name": needs_union_by_name(read.files)}
    else:
        values |= {"first_episode": read.first_episode, "last_episode": read.last_episode}
    try:
        with engine.stream(template, {"columns": columns}, batch_rows=rows, **values) as reader:
            yield from reader
    except (pa.ArrowException, OSError) as error:
        raise _damaged_error(read, str(error).partition("\n")[0]) from error
    except (QueryError, SourceBroken) as error:
        raise _damaged_error(read, first_line(error)) from error


def _damaged_error(read: Read, reason: str) -> SourceBroken:
    unknown = SourceBroken("data cannot be read, damaged pages?", reason=reason, path=read.title)
    return find_damage(read.files) or unknown


def _plan_reads(job: DataFileJob) -> Iterator[Read]:
    """Yield how the rows are fetched, in order.

    Neighbours that stand one behind the other in one source file are one read. A read that takes a file whole
    needs no condition, so runs of such files (v2.x keeps one an episode) are fetched by one query.
    """
    ranges = [_read(episodes) for episodes in _group_neighbours(job.episodes)]
    for (source, is_whole), group in groupby(ranges, key=lambda read: (read.src_dataset, read.is_whole)):
        if not is_whole:
            yield from group
            continue
        reads = list(group)
        files = [file for read in reads for file in read.files]
        first = min(read.first_episode for read in reads)
        yield Read(source, True, files, first, max(read.last_episode for read in reads))


def _group_neighbours(episodes: tuple[EpisodeRows, ...]) -> Iterator[list[EpisodeRows]]:
    held = [episodes[0]]
    for before, episode in pairwise(episodes):
        if not (
            (before.src_dataset, before.data_file) == (episode.src_dataset, episode.data_file)
            and before.row_to == episode.row_from
            and before.src_episode + 1 == episode.src_episode
        ):
            yield held
            held = []
        held.append(episode)
    yield held


def _read(episodes: list[EpisodeRows]) -> Read:
    first = episodes[0]
    rows = sum(episode.src_length for episode in episodes)
    is_whole = rows == first.data_file_rows
    return Read(first.src_dataset, is_whole, [first.data_file], first.src_episode, episodes[-1].src_episode)


def _refuse_disorder(numbers: RowNumbers, batch: pa.RecordBatch, own: dict[str, np.ndarray], at: int) -> None:
    """Refuse rows out of order. Order is proven on every row; nothing else would show its loss."""
    wrong = batch["frame_index"].to_numpy(zero_copy_only=False) != own["frame_index"]
    if len(wrong) + at > numbers.job.rows or wrong.any():
        episode = numbers.episode_at(at + int(np.argmax(wrong)))
        last = episode.from_frame + episode.src_length - 1
        raise SourceBroken(
            f"{episode.title}: frames did not arrive in order {episode.from_frame} to {last}",
            path=episode.data_file,
        )
