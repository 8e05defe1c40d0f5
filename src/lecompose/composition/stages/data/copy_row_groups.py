"""Copy row groups as they are encoded: near the speed of `cp`, and no number can change.

An episode that is a row group of its source keeps its column chunks but for those of the numbering, which are
new: they hold a sequence or a constant, and take a few bytes. The footer is new.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.jobs import DataFileJob
from lecompose.composition.stages.data.byte_ranges import BytesOrRange, RangeWriter
from lecompose.composition.stages.data.number_rows import RowNumbers
from lecompose.concurrency import Workers
from lecompose.dataset.convert import stored_names
from lecompose.dataset.list_lengths import find_odd_rows, tells_shape
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.files.parquet.footers import (
    MAGIC,
    ChunkFact,
    ColumnChunks,
    LeafColumn,
    build_column_chunks,
    build_empty_footer,
    build_file_end,
    list_leaf_columns,
    read_chunk_fact,
)
from lecompose.files.parquet.pages import DATA, DATA_V2, encode_plain_page, encode_sequence_page, read_headers
from lecompose.formats import BOOKKEEPING, Feature

_WAYS = (("UNCOMPRESSED", ("RLE", "DELTA_BINARY_PACKED")), ("UNCOMPRESSED", ("RLE", "PLAIN")))
_SEQUENCE, _PLAIN = range(len(_WAYS))


class NotAligned(Exception):
    """Rows that have to be decoded: they are not stored as the output would have them."""


@dataclass(frozen=True)
class _ChunkColumn:
    """The chunks of one leaf: in the source files of their episodes or, with `pages`, made anew."""

    chunks: ColumnChunks
    pages: list[bytes] | None = None

    def pieces(self) -> Sequence[BytesOrRange]:
        """Return the bytes of each row group, or where the source has them."""
        if self.pages is not None:
            return self.pages
        return list(zip(self.chunks.start.tolist(), self.chunks.size.tolist(), strict=True))


@dataclass(frozen=True)
class _RowGroupCopy:
    """The row groups of a job on their way. `leaves` are how the output's columns are stored."""

    job: DataFileJob
    leaves: list[LeafColumn]
    workers: Workers

    @cached_property
    def features(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.job.features}

    @cached_property
    def lengths(self) -> list[int]:
        return [episode.length for episode in self.job.episodes]

    def write(self, path: Path) -> int:
        """Write the file. Return the bytes that were copied."""
        columns = self._make_columns()
        sizes = np.stack([column.chunks.size for column in columns], axis=1)
        starts = len(MAGIC) + np.cumsum(sizes).reshape(sizes.shape) - sizes
        moved = [column.chunks.move_to(starts[:, n]) for n, column in enumerate(columns)]
        rows = np.array(self.lengths, np.int64)
        with path.open("wb", buffering=0) as out:
            writer = RangeWriter(out, self.workers.advance)
            writer.write([MAGIC])
            self._write_groups(columns, writer)
            writer.write([build_file_end(self.job.schema, rows, list(zip(self.leaves, moved, strict=True)))])
        return writer.copied

    def _write_groups(self, columns: Sequence[_ChunkColumn], writer: RangeWriter) -> None:
        """Put row group after row group, those from one source file together."""
        pieces = list(zip(*(column.pieces() for column in columns), strict=True))
        numbered = enumerate(self.job.episodes)
        for path, group in groupby(numbered, key=lambda item: item[1].data_file):
            first, *rest = (number for number, _ in group)
            groups = range(first, first + 1 + len(rest))
            with writer.source(Path(path)):
                self._refuse_pictures(groups, columns, writer)
                writer.write(piece for number in groups for piece in pieces[number])
            self.workers.advance(0, len(groups))

    def _make_columns(self) -> list[_ChunkColumn]:
        """Return the columns, in the order of the leaves. Raises NotAligned."""
        copied = iter(self._copy_columns())
        numbered = self._number_rows()
        return [numbered.get(leaf.name) or next(copied) for leaf in self.leaves]

    # Chunks that are kept --------------------------------------------------------------------------

    def _copy_columns(self) -> list[_ChunkColumn]:
        """Return the columns that are copied from source files. Raises NotAligned."""
        kept = [leaf for leaf in self.leaves if leaf.name not in (*BOOKKEEPING, *self.job.task_columns)]
        facts = [each for episode_facts in self._read_facts(kept) for each in episode_facts]
        try:
            columns = build_column_chunks(facts, len(kept))
        except ValueError as error:
            raise NotAligned(str(error)) from error
        rows = np.array(self.lengths)
        for leaf, column in zip(kept, columns, strict=True):
            if (column.values != rows * _count_values_a_row(leaf, self.features[leaf.name])).any():
                raise NotAligned(f"rows of {leaf.name} with more or fewer values")
        return [_ChunkColumn(column) for column in columns]

    def _read_facts(self, kept: list[LeafColumn]) -> Iterator[list[ChunkFact]]:
        """Yield what footers say of the kept leaves, episode by episode. Raises NotAligned."""
        seen, schema, stored, places = "", None, list[LeafColumn](), [0]
        by_file = groupby(self.job.episodes, key=lambda e: (e.src_dataset, e.data_file))
        for (source, path), group in by_file:
            metadata = _read_footer(path)
            if schema is None or not metadata.schema.equals(schema):
                seen, schema = "", metadata.schema
                stored = list_leaf_columns(schema)
            if seen != source:
                seen, places = source, self._find_places(source, kept, stored)
            groups = _find_groups(metadata)
            numbers = [groups.get((episode.row_from, episode.row_to)) for episode in group]
            _refuse_other_lengths(path, metadata, numbers, self._list_of_any_length(source, metadata))
            for number in numbers:
                if number is None:
                    raise NotAligned("an episode that is no row group")
                row_group = metadata.row_group(number)
                yield [read_chunk_fact(row_group.column(place)) for place in places]

    def _list_of_any_length(self, source: str, metadata: pq.FileMetaData) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the source's vectors and arrays whose lengths a file's types do not tell."""
        shaped = {n: f.shape for n, f in self.features.items() if f.is_numeric and f.shape not in ((), (1,))}
        if not shaped:
            return {}
        kinds = {field.name: field.type for field in metadata.schema.to_arrow_schema()}
        own = stored_names(self.job.schema, self.job.sources[source].takes)
        return {
            own[name]: shape
            for name, shape in shaped.items()
            if own.get(name) in kinds and not tells_shape(kinds[own[name]], shape)
        }

    def _find_places(self, source: str, wanted: list[LeafColumn], stored: list[LeafColumn]) -> list[int]:
        """Return where among a file's leaves those are that the output wants. Raises NotAligned."""
        own = stored_names(self.job.schema, self.job.sources[source].takes)
        there = {(leaf.name, leaf.path): number for number, leaf in enumerate(stored)}
        places = []
        for leaf in wanted:
            place = there.get((own.get(leaf.name, ""), leaf.path))
            if place is None or not leaf.holds(stored[place]):
                raise NotAligned(f"another type of {leaf.name}")
            places.append(place)
        return places

    # Chunks that are made new ----------------------------------------------------------------------

    def _number_rows(self) -> dict[str, _ChunkColumn]:
        """Return the numbering of the rows."""
        nullable = {leaf.name: leaf.is_nullable for leaf in self.leaves}
        firsts = {
            "index": [(e.from_index, 1) for e in self.job.episodes],
            "episode_index": [(e.out_episode, 0) for e in self.job.episodes],
        }
        columns = {
            name: _make_sequences(each, self.lengths, nullable=nullable[name])
            for name, each in firsts.items()
        }
        columns["task_index"] = self._number_tasks(nullable=nullable["task_index"])
        return columns | {
            name: self._number_task_column(name, nullable=nullable[name]) for name in self.job.task_columns
        }

    def _number_tasks(self, *, nullable: bool) -> _ChunkColumn:
        single = [(e.only_task, 0) for e in self.job.episodes if e.only_task is not None]
        if len(single) == len(self.job.episodes):
            return _make_sequences(single, self.lengths, nullable=nullable)
        numbers = RowNumbers(self.job)
        tasks = enumerate(_read_numbers(self.job, "task_index"))
        return _make_plain([numbers.tasks_of(place, own) for place, own in tasks], nullable=nullable)

    def _number_task_column(self, name: str, *, nullable: bool) -> _ChunkColumn:
        """Return a column beside task_index that holds task numbers. Raises NotAligned."""
        if self.job.schema.field(name).type != pa.int64():
            raise NotAligned(f"another type of {name}")
        numbers = RowNumbers(self.job)
        starts = numbers.begins.tolist()
        of_episodes = [
            numbers.number_task_column(name, start, pa.array(own)).to_numpy()
            for start, own in zip(starts, _read_numbers(self.job, name), strict=True)
        ]
        return _make_plain(of_episodes, nullable=nullable)

    # Pictures --------------------------------------------------------------------------------------

    def _refuse_pictures(self, groups: range, columns: Sequence[_ChunkColumn], writer: RangeWriter) -> None:
        """Refuse chunks of pictures that are no whole pages; those of numbers are read for statistics.

        Raises:
            SourceBroken: if there are any.
        """
        part = slice(groups.start, groups.stop)
        for leaf, column in zip(self.leaves, columns, strict=True):
            if column.pages is None and self.features[leaf.name].is_visual:
                each = (column.chunks.start, column.chunks.size, column.chunks.values)
                for start, size, values in zip(*(numbers[part].tolist() for numbers in each), strict=True):
                    _refuse_no_pages(writer, start, start + size, values)


def copy_row_groups(job: DataFileJob, path: Path, workers: Workers) -> int:
    """Write a data file from the row groups of its sources. Return the bytes that were copied.

    Raises:
        NotAligned: before anything is written, if some rows are not stored as the output would have them.
        SourceBroken: for pictures whose pages are no pages.
        OSError: if the file cannot be written.
    """
    return _RowGroupCopy(job, list_leaf_columns(build_empty_footer(job.schema).schema), workers).write(path)


def _read_footer(path: str) -> pq.FileMetaData:
    """Return the footer of a file. Raises NotAligned if it cannot be read."""
    with _not_aligned_if_broken(path):
        return pq.read_metadata(path)


@contextmanager
def _not_aligned_if_broken(path: str) -> Iterator[None]:
    """Raise NotAligned for a file that is broken: whoever decodes it tells better what is wrong."""
    try:
        with reading_parquet(path):
            yield
    except SourceBroken as error:
        raise NotAligned("a file that cannot be read") from error


def _find_groups(metadata: pq.FileMetaData) -> dict[tuple[int, int], int]:
    """Return the row groups by the rows that they are: from, and to."""
    groups, row = {}, 0
    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        groups[row, row + rows] = number
        row += rows
    return groups


def _refuse_other_lengths(
    path: str,
    metadata: pq.FileMetaData,
    groups: Sequence[int | None],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Raise NotAligned if a row group has lists of other lengths: what decodes them says where."""
    if not shapes:
        return
    with _not_aligned_if_broken(path), pq.ParquetFile(path, metadata=metadata) as file:
        for group in (number for number in groups if number is not None):
            rows = file.read_row_group(group, columns=list(shapes))
            for name, shape in shapes.items():
                if any(find_odd_rows(chunk, shape).any() for chunk in rows[name].chunks):
                    raise NotAligned(f"rows of {name} with lists of other lengths")


def _count_values_a_row(leaf: LeafColumn, feature: Feature) -> int:
    return prod(feature.shape) if leaf.is_repeated else 1


def _make_sequences(
    firsts: Sequence[tuple[int, int]], lengths: Sequence[int], *, nullable: bool
) -> _ChunkColumn:
    """Return numbers that rise by a step each from a first one on; a (first, step) a row group."""
    told = list(zip(firsts, lengths, strict=True))
    pages = [encode_sequence_page(first, step, length, nullable=nullable) for (first, step), length in told]
    least = [first for first, _ in firsts]
    most = [first + step * (length - 1) for (first, step), length in told]
    return _make_column(pages, lengths, _SEQUENCE, least, most)


def _make_plain(numbers: Sequence[np.ndarray], *, nullable: bool) -> _ChunkColumn:
    pages = [encode_plain_page(of_episode, nullable=nullable) for of_episode in numbers]
    least, most = ([int(pick(of_episode)) for of_episode in numbers] for pick in (np.min, np.max))
    return _make_column(pages, [len(of_episode) for of_episode in numbers], _PLAIN, least, most)


def _make_column(
    pages: list[bytes], values: Sequence[int], way: int, least: Sequence[int], most: Sequence[int]
) -> _ChunkColumn:
    sizes = np.array([len(page) for page in pages], np.int64)
    nothing = np.zeros(len(pages), np.int64)
    chunks = ColumnChunks(
        start=nothing,
        size=sizes,
        unpacked=sizes,
        values=np.array(values, np.int64),
        dictionary=nothing - 1,
        pages=nothing,
        storage=nothing + way,
        storages=_WAYS,
        least=np.array(least, np.int64),
        most=np.array(most, np.int64),
    )
    return _ChunkColumn(chunks, pages)


def _read_numbers(job: DataFileJob, name: str) -> Iterator[np.ndarray]:
    """Yield the source's numbers in a column, a row each, an array an episode. Raises NotAligned."""
    for (source, path), episodes in groupby(job.episodes, key=lambda e: (e.src_dataset, e.data_file)):
        own = stored_names(job.schema, job.sources[source].takes).get(name)
        if own is None:
            raise NotAligned(f"a source without {name}")
        with _not_aligned_if_broken(path):
            column = pq.read_table(path, columns=[own], partitioning=None)[own]
        if column.null_count or column.type != pa.int64():
            raise NotAligned(f"rows without {name}, or another type of it")
        numbers = column.to_numpy()
        for episode in episodes:
            yield numbers[episode.row_from : episode.row_to]


def _refuse_no_pages(writer: RangeWriter, start: int, end: int, values: int) -> None:
    try:
        found = sum(
            page.values for page in read_headers(writer.read_at, start, end) if page.kind in (DATA, DATA_V2)
        )
        problem = "" if found == values else f"{found} values of {values}"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise SourceBroken("data cannot be read, damaged pages?", reason=problem, path=writer.path)
