"""Windows of episodes, read front to back in their files and proven row by row.

Episodes are gathered into windows of bounded size. In a window, data files are read front to back, however
the episodes are mixed, and their rows then put into the order asked for. That a row is the one it should be
is counted on every row: its frame_index and its episode_index are compared with what the catalog saw.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.dataset.convert import convert_batch, stored_names
from lecompose.dataset.feature_map import FeatureMap
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet

# What is held at a time, as stored; decoded it may be some times as much.
_WINDOW_BYTES = 32 * 2**20
WINDOW_ROWS = 131_072
_READ_ROWS = 8_192
# Read at a time of each column: a whole column of pictures is slow to hold, and much.
_READ_BYTES = 2**22
_BUFFER_BYTES = 2**20
# Read whatever is asked for: the proof, and the way to the task.
PROOF_COLUMNS = ("frame_index", "episode_index", "task_index")


@dataclass(frozen=True)
class PlacedEpisode:
    """Where rows of an episode are: from row `row_from` of a file; the first is frame `from_frame` of it."""

    src_dataset: str
    src_episode: int
    length: int
    data_file: str | None
    row_from: int
    row_to: int
    size_bytes: int
    from_frame: int = 0


@dataclass(frozen=True)
class FrameColumns:
    """What is given: the schema, and the stored column behind each field (None for those of ours).

    `read` are the columns that are read, by their stored names; `tasks` the texts of each source, each at
    the place of its number. Where sources are not alike, `takes` says what of each is read for a column.
    """

    schema: pa.Schema
    stored: tuple[str | None, ...]
    read: pa.Schema
    tasks: Mapping[str, pa.Array]
    takes: FeatureMap = field(default_factory=dict)


def output_columns(schema: pa.Schema, takes: FeatureMap) -> FrameColumns:
    """Return the shape of data columns as an output has them."""
    proof = [pa.field(name, pa.int64()) for name in PROOF_COLUMNS if name not in schema.names]
    return FrameColumns(schema, tuple(schema.names), pa.schema([*proof, *schema]), {}, takes)


def read_batches(
    places: Sequence[PlacedEpisode], shape: FrameColumns, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of places, in that order.

    Raises:
        SourceBroken: where they are not what the catalog saw.
    """
    for window in _windows(places):
        tables = _one(window[0], shape) if len(window) == 1 else iter([_sort_window(window, shape)])
        for table in tables:
            yield from table.to_batches(max_chunksize=batch_rows)


def _windows(places: Iterable[PlacedEpisode]) -> Iterator[list[PlacedEpisode]]:
    """Neighbours in the order asked for, as many as may be held; no row is in two of them."""
    window: list[PlacedEpisode] = []
    held: dict[tuple[str, int], set[tuple[int, int]]] = {}
    rows = size = 0
    for place in places:
        rows, size = rows + place.length, size + (place.size_bytes or 0)
        own = held.get((place.src_dataset, place.src_episode), set())
        if window and (rows > WINDOW_ROWS or size > _WINDOW_BYTES or _overlaps(place, own)):
            yield window
            window, held, rows, size = [], {}, place.length, place.size_bytes or 0
        window.append(place)
        held.setdefault((place.src_dataset, place.src_episode), set()).add((place.row_from, place.row_to))
    if window:
        yield window


def _overlaps(place: PlacedEpisode, held: Iterable[tuple[int, int]]) -> bool:
    """Return whether a place shares some of its rows, but not all, with others of its episode."""
    mine = (place.row_from, place.row_to)
    return any(start < mine[1] and mine[0] < end and (start, end) != mine for start, end in held)


def _one(place: PlacedEpisode, shape: FrameColumns) -> Iterator[pa.Table]:
    """Yield an episode by itself, some rows at a time.

    It may be larger than any window, and needs no sorting.
    """
    at = 0
    for rows in _parts([place] if place.length else [], shape):
        table = pa.Table.from_batches([rows])
        _prove([place], table, at)
        at += len(rows)
        yield _give_columns([place], [len(rows)], table, shape)
    _refuse_short([place], at)


def _sort_window(window: Sequence[PlacedEpisode], shape: FrameColumns) -> pa.Table:
    """Return all rows of a window's episodes, in the order of the window."""
    held = sorted({place for place in window if place.length}, key=_position)
    rows = pa.Table.from_batches(_parts(held, shape), schema=shape.read).combine_chunks()
    _prove(held, rows, 0)
    _refuse_short(held, len(rows))
    begins = dict(zip(held, _begins(held), strict=True))
    asked = [place for place in window if place.length]
    order = np.concatenate([np.arange(begins[p], begins[p] + p.length) for p in asked] or [np.arange(0)])
    if len(order) != len(rows) or (order != np.arange(len(rows))).any():
        rows = rows.take(pa.array(order)).combine_chunks()
    return _give_columns(asked, [place.length for place in asked], rows, shape)


def _begins(places: Sequence[PlacedEpisode]) -> np.ndarray:
    """Return the row at which each place begins, were they one behind the other."""
    begins: np.ndarray = np.cumsum([0, *(place.length for place in places)])[:-1]
    return begins


def _prove(places: Sequence[PlacedEpisode], rows: pa.Table, at: int) -> None:
    """Compare rows with what the catalog saw.

    Raises:
        SourceBroken: unless `rows` are those of the places from row `at` on, each in its order.
    """
    number = np.arange(at, at + len(rows))
    begins = _begins(places)
    which = np.searchsorted(begins, number, side="right") - 1
    episodes = np.array([place.src_episode for place in places], np.int64)
    found = [rows[name].to_numpy() for name in PROOF_COLUMNS[:2]]
    first = np.array([place.from_frame for place in places], np.int64)
    wrong = (found[0] != number - begins[which] + first[which]) | (found[1] != episodes[which])
    if wrong.any():
        place = places[which[int(np.argmax(wrong))]]
        raise SourceBroken(
            f"frames are not in order {place.from_frame} to {place.from_frame + place.length - 1}"
            " where they were seen",
            hint="lecompose check",
            source=place.src_dataset,
            episode=place.src_episode,
            path=place.data_file,
        )


def _refuse_short(places: Sequence[PlacedEpisode], rows: int) -> None:
    wanted = sum(place.length for place in places)
    if rows != wanted:
        where = places[-1].data_file
        raise SourceBroken(f"data changed while it was read: {rows} rows of {wanted}", path=where)


def _give_columns(
    places: Sequence[PlacedEpisode], lengths: Sequence[int], rows: pa.Table, shape: FrameColumns
) -> pa.Table:
    """Return the columns asked for, of rows that are so many of each place."""
    arrays = [
        rows[name] if name else _ours(field.name, places, lengths, rows, shape)
        for field, name in zip(shape.schema, shape.stored, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=shape.schema)


def _ours(
    name: str, places: Sequence[PlacedEpisode], lengths: Sequence[int], rows: pa.Table, shape: FrameColumns
) -> pa.Array:
    if name == "src_episode":
        return pa.array(np.repeat(np.array([p.src_episode for p in places], np.int64), lengths))
    sources = list(shape.tasks)
    which = np.repeat(np.array([sources.index(p.src_dataset) for p in places], np.int64), lengths)
    if name == "src_dataset":
        return pa.array(sources, pa.string()).take(pa.array(which))
    counts = np.array([len(texts) for texts in shape.tasks.values()])
    numbers = rows["task_index"].to_numpy()
    known = (numbers >= 0) & (numbers < counts[which])
    first = np.cumsum([0, *counts])[which]
    texts = pa.concat_arrays(list(shape.tasks.values()))
    return texts.take(pa.array(np.where(known, first + numbers, 0).astype(np.int64), mask=~known))


# Reading ----------------------------------------------------------------------------------------


def _parts(places: Sequence[PlacedEpisode], shape: FrameColumns) -> Iterator[pa.RecordBatch]:
    """Yield the rows of places in the order of `_position`, in the types of `shape.read`.

    Raises:
        SourceBroken: where they cannot be read, or are not as declared.
    """
    for (source, file), held in groupby(places, key=lambda place: _position(place)[:2]):
        takes = shape.takes.get(source, {})
        named = stored_names(shape.read, takes)
        for rows in _in_file(file, list(held), list(named.values())):
            where = partial(_where, source, rows)
            yield convert_batch(rows, shape.read, named, takes, where=where, file=file)


def _where(source: str, rows: pa.RecordBatch, row: int) -> str:
    return f'source "{source}", episode {rows["episode_index"][row].as_py()}'


def require_contiguous(place: PlacedEpisode) -> PlacedEpisode:
    """Return the place.

    Raises:
        SourceBroken: for an episode whose rows are not in one piece, as many as declared.
    """
    if place.data_file is None or place.row_to - place.row_from != place.length:
        raise SourceBroken(
            f"its {place.length} frames do not stand together in one data file",
            hint="lecompose check",
            source=place.src_dataset,
            episode=place.src_episode,
            path=place.data_file or "data/",
        )
    return place


def _position(place: PlacedEpisode) -> tuple[str, str, int]:
    """Return where the rows of a place are; raises what `require_contiguous` does."""
    # The source too: one that is given twice has every row of its files twice.
    return place.src_dataset, str(require_contiguous(place).data_file), place.row_from


def _in_file(file: str, places: Sequence[PlacedEpisode], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of places that follow each other in one file."""
    spans = list(_spans(places))
    for row, batch in _rows(file, places, columns):
        end = row + batch.num_rows
        for first, stop in spans:
            if first < end and row < stop:
                first, stop = max(row, first), min(end, stop)
                yield _own(batch, first - row, stop - first)
        spans = [span for span in spans if span[1] > end]


def _spans(places: Sequence[PlacedEpisode]) -> Iterator[tuple[int, int]]:
    """Yield the rows of places, neighbours joined."""
    start, end = places[0].row_from, places[0].row_from
    for place in places:
        if place.row_from != end:
            yield start, end
            start = place.row_from
        end = place.row_to
    yield start, end


def _rows(
    file: str, places: Sequence[PlacedEpisode], columns: list[str]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the row groups in which places lie, some rows at a time, each with the row it begins at."""
    with (
        reading_parquet(file),
        pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES) as parquet,
    ):
        sizes = [parquet.metadata.row_group(n).num_rows for n in range(parquet.num_row_groups)]
        for groups, row in _runs(np.cumsum([0, *sizes]), places):
            # Threads only cost time where a file is one episode.
            batches = parquet.iter_batches(
                _read_rows(places),
                row_groups=groups,
                columns=columns,
                use_threads=sum(sizes) > _READ_ROWS,
            )
            for batch in batches:
                yield row, batch
                row += batch.num_rows


def _read_rows(places: Sequence[PlacedEpisode]) -> int:
    """Return how many rows to read at a time."""
    size, rows = sum(place.size_bytes or 0 for place in places), sum(place.length for place in places)
    return max(1, min(_READ_ROWS, _READ_BYTES * rows // max(1, size)))


def _runs(starts: np.ndarray, places: Sequence[PlacedEpisode]) -> Iterator[tuple[list[int], int]]:
    """Neighbouring row groups that hold rows of the places, and the row at which each run begins."""
    first = np.searchsorted(starts, [place.row_from for place in places], side="right") - 1
    last = np.searchsorted(starts, [place.row_to for place in places], side="left")
    there = len(starts) - 1
    groups = sorted({int(g) for a, b in zip(first, last, strict=True) for g in range(a, min(b, there))})
    for _, run in groupby(enumerate(groups), key=lambda at: at[1] - at[0]):
        mine = [group for _, group in run]
        yield mine, int(starts[mine[0]])


def _own(batch: pa.RecordBatch, offset: int, rows: int) -> pa.RecordBatch:
    """Return some rows of a batch; a few are copied out, for a slice would keep the whole batch alive."""
    if 2 * rows > batch.num_rows:
        return batch.slice(offset, rows)
    return batch.take(pa.array(range(offset, offset + rows), pa.int64()))
