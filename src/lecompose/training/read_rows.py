"""Single rows of data files; their row groups are decoded whole, and cached."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.dataset.arrow_schema import cast_exactly
from lecompose.dataset.list_lengths import refuse_odd_rows
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.formats import is_list
from lecompose.training.file_stamps import FileStamps
from lecompose.training.lru_cache import LruCache
from lecompose.training.read_pages import NotPaged, PageCache, PictureColumn, make_page_cache

# The columns that prove which row it is.
PROOF = ("episode_index", "frame_index")

# v2.x has a file an episode.
_OPEN_FILES = 32
_BUFFER_BYTES = 2**20
# A row group that has no room in the cache is read in parts of about so much.
_PART_BYTES = 32 * 2**20

# Shape: (rows, *the feature's). What is not numbers stays as Arrow has it.
Column: TypeAlias = np.ndarray | pa.Array


@dataclass(frozen=True)
class SelectedEpisode:
    """An episode whose rows begin at `row_from` of a file; `position` is its place among those asked for."""

    position: int
    source: int
    number: int
    length: int
    file: str
    row_from: int


class RowReader:
    """Reads cells of data files, of the columns in `schema`; caches about `most_bytes` of them at most.

    Numbers come with their row group; pictures one by one, for those of a row group may not fit in memory.
    """

    def __init__(
        self, schema: pa.Schema, shapes: Sequence[tuple[int, ...]], most_bytes: int, files: FileStamps
    ) -> None:
        self._schema, self._shapes, self._most_bytes = schema, shapes, most_bytes
        self._numbers = tuple(f.name for f in schema if not pa.types.is_struct(f.type))
        pages = make_page_cache()
        self._files: LruCache[str, _File] = LruCache(lambda path: _File(path, pages, files), _OPEN_FILES)
        self._parts: LruCache[_RowSpan, _Part] = LruCache(
            self._read, most_bytes, lambda part: part.size_bytes
        )

    def at(self, episode: SelectedEpisode, frame: int) -> "FrameRow":
        """Return the row of a frame. Raises SourceBroken if it cannot be read, or is another frame's."""
        number = episode.row_from + frame
        with reading_parquet(episode.file):
            file = self._files[episode.file]
            part = self._parts[file.place(number, self._numbers, self._most_bytes)]
        self._refuse_other_rows(episode, np.array([frame]), part, np.array([number - part.start]))
        return FrameRow(self, file, number, part)

    def cells(self, episode: SelectedEpisode, frames: Sequence[int], name: str) -> Sequence[Any] | np.ndarray:
        """Return the values of a column at frames; numbers that lie together as one array."""
        row = self.at(episode, frames[0])
        column = row.part.columns.get(name)
        places = np.asarray(frames) + (episode.row_from - row.part.start)
        if isinstance(column, np.ndarray) and places.min() >= 0 and places.max() < len(column):
            self._refuse_other_rows(episode, np.asarray(frames), row.part, places)
            together: np.ndarray = column[places]
            return together
        return [self.at(episode, frame).cell(name) for frame in frames]

    def _refuse_other_rows(
        self, episode: SelectedEpisode, frames: np.ndarray, part: "_Part", places: np.ndarray
    ) -> None:
        """Raise SourceBroken if the rows at `places` of a part are not those of the frames."""
        numbers, found = (np.asarray(part.columns[name])[places] for name in PROOF)
        wrong = (numbers != episode.number) | (found != frames)
        if wrong.any():
            n = int(np.argmax(wrong))
            raise SourceBroken(
                f"episode {episode.number}, frame {frames[n]}: its row is of episode {numbers[n]},"
                f" frame {found[n]}",
                hint="lecompose check",
                path=episode.file,
            )

    def picture(self, file: "_File", row: int, name: str) -> bytes | None:
        """Return the bytes of a picture file; None for a missing one.

        Raises:
            SourceBroken: if they cannot be read, or are in a file of their own.
        """
        with reading_parquet(file.path):
            try:
                data = file.bytes_at(row, name)
            except NotPaged:
                data = None
            if data is not None:
                return data
            found = self._parts[file.place(row, (name,), self._most_bytes)].cell(row, name)
        if found and found["bytes"] is None and found["path"] is not None:
            raise SourceBroken(
                f"the picture is not in the data file, but in a file of its own: {found['path']}",
                hint="lecompose merge DATASET -o OUT, which puts pictures into data files",
                feature=name,
                path=file.path,
            )
        return found["bytes"] if found else None

    def _read(self, place: "_RowSpan") -> "_Part":
        table = self._files[place.path].rows(place)
        columns = {}
        for name in place.names:
            number = self._schema.get_field_index(name)
            stored = table[name].combine_chunks()
            if len(self._shapes[number]) > 1 and is_list(stored.type):
                refuse_odd_rows(stored, self._shapes[number])
            array = cast_exactly(stored, self._schema.field(number).type)
            columns[name] = _as_numpy(array, self._shapes[number])
        return _Part(place.start, columns)


class _RowSpan(NamedTuple):
    """Columns of the rows from `start` to before `end`, within a row group of a file."""

    path: str
    group: int
    start: int
    end: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """The rows of a file from `start` on."""

    start: int
    columns: Mapping[str, Column]

    @property
    def size_bytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def cell(self, row: int, name: str) -> Any:
        column = self.columns[name]
        value = column[row - self.start]
        return value if isinstance(column, np.ndarray) else value.as_py()


class FrameRow(NamedTuple):
    """One row; its pictures are read when they are needed."""

    rows: RowReader
    file: "_File"
    number: int
    part: _Part

    def cell(self, name: str) -> Any:
        """Return the value of a column: a number, an array, the bytes of a picture, or a Python value.

        Raises:
            SourceBroken: if it cannot be read.
        """
        if name in self.part.columns:
            return self.part.cell(self.number, name)
        return self.rows.picture(self.file, self.number, name)


class _File:
    """An open data file and where its row groups begin."""

    def __init__(self, path: str, pages_held: PageCache, files: FileStamps) -> None:
        files.refuse_changed(path)
        self.path, self._held = path, pages_held
        # One for both: a file that is replaced later would have other pictures than rows.
        self._file = pa.OSFile(path)
        self._parquet = pq.ParquetFile(self._file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        meta = self._parquet.metadata
        self._starts = np.cumsum([0, *(meta.row_group(n).num_rows for n in range(meta.num_row_groups))])
        self._pages: dict[str, PictureColumn] = {}
        self._together: dict[tuple[int, tuple[str, ...]], int] = {}

    def place(self, row: int, names: tuple[str, ...], most_bytes: int) -> _RowSpan:
        """Return the rows that are read together with a row: its row group, or a part of a large one."""
        group, start = self._group(row)
        end = int(self._starts[group + 1])
        if (group, names) not in self._together:
            size = self._size_bytes(group, names)
            rows = end - start
            self._together[group, names] = max(1, _PART_BYTES * rows // size) if size > most_bytes else rows
        rows = self._together[group, names]
        start += (row - start) // rows * rows
        return _RowSpan(self.path, group, start, min(end, start + rows), names)

    def _size_bytes(self, group: int, names: tuple[str, ...]) -> int:
        """Return the uncompressed size of columns of a row group."""
        meta = self._parquet.metadata.row_group(group)
        chunks = [meta.column(n) for n in range(meta.num_columns)]
        mine = [c for c in chunks if any(f"{c.path_in_schema}.".startswith(f"{name}.") for name in names)]
        return sum(chunk.total_uncompressed_size for chunk in mine)

    def rows(self, place: _RowSpan) -> pa.Table:
        """Return rows of one row group."""
        names, group = list(place.names), place.group
        start, end = (row - int(self._starts[group]) for row in (place.start, place.end))
        if (start, end) == (0, int(self._starts[group + 1] - self._starts[group])):
            return self._parquet.read_row_group(group, columns=names, use_threads=False)
        # Parquet has no way to the middle of a row group but through what stands before.
        batches = self._parquet.iter_batches(
            end - start, row_groups=[group], columns=names, use_threads=False
        )
        found, at = [], 0
        for batch in batches:  # some are shorter than was asked for
            if at + batch.num_rows > start:
                first = max(start, at)
                found.append(batch.slice(first - at, end - first))
            at += batch.num_rows
            if at >= end:
                break
        return pa.Table.from_batches(found)

    def bytes_at(self, row: int, name: str) -> bytes | None:
        """Return the bytes of a picture file. Raises NotPaged if they cannot be read alone."""
        if name not in self._pages:
            self._pages[name] = PictureColumn(self._file, self._parquet, f"{name}.bytes", self._held)
        group, start = self._group(row)
        return self._pages[name].read_value(group, row - start)

    def _group(self, row: int) -> tuple[int, int]:
        """Return the row group that holds a row, and its first row."""
        if not 0 <= row < self._starts[-1]:
            raise SourceBroken(f"it has {self._starts[-1]} rows, row {row} is needed", path=self.path)
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        return group, int(self._starts[group])


def _as_numpy(array: pa.Array, shape: tuple[int, ...]) -> Column:
    """Return numbers as a NumPy array, unless one is missing.

    Raises:
        ArrowInvalid: if the array has another shape.
    """
    leaves = array.storage if isinstance(array, pa.ExtensionArray) else array
    missing = 0
    while is_list(leaves.type):
        missing += leaves.null_count
        leaves = leaves.flatten()
    is_number = any(
        is_a(leaves.type) for is_a in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    )
    if not is_number or missing + leaves.null_count:
        return array
    if len(leaves) != len(array) * math.prod(shape):
        raise pa.ArrowInvalid(f"arrays of another shape than {list(shape)}")
    return leaves.to_numpy(zero_copy_only=False).reshape(len(array), *(() if shape == (1,) else shape))
