"""Data files put together from encoded column chunks: near the speed of `cp`, and no number can change.

An episode that is a row group of its source keeps its chunks but for those of the numbering, which are made
anew: they hold a sequence or a constant, and take a few bytes. The footer is new.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.context import Run
from lecompose.composition.stages.data.byte_ranges import Joiner, Piece
from lecompose.composition.stages.data.output_file import OutputFile
from lecompose.dataset.convert import stored_names
from lecompose.errors import SourceBroken
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
from lecompose.formats import BOOKKEEPING, SUBTASK_INDEX, Feature

_WAYS = (("UNCOMPRESSED", ("RLE", "DELTA_BINARY_PACKED")), ("UNCOMPRESSED", ("RLE", "PLAIN")))
_SEQUENCE, _PLAIN = range(len(_WAYS))


class NotAligned(Exception):
    """Rows that have to be decoded: they are not stored as the output would have them."""


@dataclass(frozen=True)
class _Column:
    """The chunks of one leaf: in the source files of their episodes or, with `pages`, made anew."""

    chunks: ColumnChunks
    pages: list[bytes] | None = None

    def pieces(self) -> Sequence[Piece]:
        """Of each row group the bytes, or where the source has them."""
        if self.pages is not None:
            return self.pages
        return list(zip(self.chunks.start.tolist(), self.chunks.size.tolist(), strict=True))


@dataclass(frozen=True)
class Splicer:
    """Writes data files whose rows need no decoding.

    `features` are those of the output's columns by name, `leaves` how they are stored, `tasks` the task of
    each output episode that has just one.
    """

    run: Run
    features: Mapping[str, Feature]
    leaves: list[LeafColumn]
    tasks: Mapping[tuple[str, int], int]

    def write(self, file: OutputFile) -> int:
        """The bytes that were copied into a file, which is then whole.

        Errors: NotAligned, before anything is written; SourceBroken for pictures whose pages are no pages;
        OSError for the output.
        """
        columns = self._columns(file)
        sizes = np.stack([column.chunks.size for column in columns], axis=1)
        starts = len(MAGIC) + np.cumsum(sizes).reshape(sizes.shape) - sizes
        moved = [column.chunks.move_to(starts[:, n]) for n, column in enumerate(columns)]
        rows = np.array([episode["length"] for episode in file.episodes], np.int64)
        with file.path.open("wb", buffering=0) as out:
            joiner = Joiner(out, self.run.workers.advance)
            joiner.put([MAGIC])
            self._put_groups(file, columns, joiner)
            joiner.put(
                [build_file_end(self.run.layout.schema, rows, list(zip(self.leaves, moved, strict=True)))]
            )
        return joiner.copied

    def _put_groups(self, file: OutputFile, columns: Sequence[_Column], joiner: Joiner) -> None:
        """Row group after row group, those from one source file together."""
        pieces = list(zip(*(column.pieces() for column in columns), strict=True))
        numbered = enumerate(file.episodes)
        for path, group in groupby(numbered, key=lambda item: str(item[1]["data_file"])):
            first, *rest = (number for number, _ in group)
            groups = range(first, first + 1 + len(rest))
            with joiner.source(Path(path)):
                self._refuse_pictures(groups, columns, joiner)
                joiner.put(piece for number in groups for piece in pieces[number])
            self.run.workers.advance(0, len(groups))

    def _columns(self, file: OutputFile) -> list[_Column]:
        """The columns of a file, in the order of the leaves. Errors: NotAligned."""
        copied = iter(self._copied(file))
        numbered = self._numbered(file)
        return [numbered.get(leaf.name) or next(copied) for leaf in self.leaves]

    # Chunks that are kept --------------------------------------------------------------------------------

    def _copied(self, file: OutputFile) -> list[_Column]:
        """The columns that are taken over from source files."""
        kept = [leaf for leaf in self.leaves if leaf.name not in BOOKKEEPING]
        facts = [told for episode_facts in self._facts(file, kept) for told in episode_facts]
        try:
            columns = build_column_chunks(facts, len(kept))
        except ValueError as error:
            raise NotAligned(str(error)) from error
        rows = np.array([episode["length"] for episode in file.episodes])
        for leaf, column in zip(kept, columns, strict=True):
            if (column.values != rows * _values_a_row(leaf, self.features[leaf.name])).any():
                raise NotAligned(f"rows of {leaf.name} with more or fewer values")
        return [_Column(column) for column in columns]

    def _facts(self, file: OutputFile, kept: list[LeafColumn]) -> Iterator[list[ChunkFact]]:
        """What footers say of the kept leaves, episode by episode. Errors: NotAligned."""
        seen, schema, stored, places = "", None, list[LeafColumn](), [0]
        for (source, path), group in groupby(file.episodes, key=lambda e: (e["src_dataset"], e["data_file"])):
            metadata = _footer(path)
            if schema is None or not metadata.schema.equals(schema):
                seen, schema = "", metadata.schema
                stored = list_leaf_columns(schema)
            if seen != source:
                seen, places = source, self._places(source, kept, stored)
            groups = _groups(metadata)
            for episode in group:
                number = groups.get((episode["row_from"], episode["row_to"]))
                if number is None:
                    raise NotAligned("an episode that is no row group")
                held = metadata.row_group(number)
                yield [read_chunk_fact(held.column(place)) for place in places]

    def _places(self, source: str, wanted: list[LeafColumn], stored: list[LeafColumn]) -> list[int]:
        """Where among a file's leaves those are that the output wants. Errors: NotAligned."""
        steps = self.run.output_spec.resampling.of_source(source)
        if steps.stride > 1 or steps.fps is not None:
            raise NotAligned("frames that are left out or timed anew")
        schema, takes = self.run.layout.schema, self.run.output_spec.taken[source]
        own = stored_names(schema, takes)
        there = {(leaf.name, leaf.path): number for number, leaf in enumerate(stored)}
        places = []
        for leaf in wanted:
            place = there.get((own.get(leaf.name, ""), leaf.path))
            how = takes.get(leaf.name)
            if place is None or (how and how.lossy) or not leaf.holds(stored[place]):
                raise NotAligned(f"another type of {leaf.name}")
            places.append(place)
        return places

    # Chunks that are made new ---------------------------------------------------------------------

    def _numbered(self, file: OutputFile) -> dict[str, _Column]:
        """The numbering of a file's rows."""
        nullable = {leaf.name: leaf.is_nullable for leaf in self.leaves}
        lengths = [e["length"] for e in file.episodes]
        firsts = {
            "index": [(e["from_index"], 1) for e in file.episodes],
            "episode_index": [(e["out_episode"], 0) for e in file.episodes],
        }
        columns = {n: _sequences(told, lengths, nullable=nullable[n]) for n, told in firsts.items()}
        return columns | {"task_index": self._task_column(file, lengths, nullable=nullable["task_index"])}

    def _task_column(self, file: OutputFile, lengths: list[int], *, nullable: bool) -> _Column:
        own = [self.tasks.get((e["out_dataset"], e["out_episode"])) for e in file.episodes]
        single = [(number, 0) for number in own if number is not None]
        if len(single) == len(own):
            return _sequences(single, lengths, nullable=nullable)
        tasks = zip(file.first_tasks, _task_numbers(file), strict=True)
        return _plain([file.tasks.numbers[start + numbers] for start, numbers in tasks], nullable=nullable)

    # Pictures --------------------------------------------------------------------------------------

    def _refuse_pictures(self, groups: range, columns: Sequence[_Column], joiner: Joiner) -> None:
        """Errors: SourceBroken unless the chunks of pictures are whole pages; of numbers statistics tell."""
        part = slice(groups.start, groups.stop)
        for leaf, column in zip(self.leaves, columns, strict=True):
            if column.pages is None and self.features[leaf.name].is_visual:
                told = (column.chunks.start, column.chunks.size, column.chunks.values)
                for start, size, values in zip(*(numbers[part].tolist() for numbers in told), strict=True):
                    _refuse_no_pages(joiner, start, start + size, values)


def splicer(run: Run) -> Splicer | None:
    """What splices the files of a run; None where all of them are to be decoded."""
    output_spec, layout = run.output_spec, run.layout
    numbered = layout.has_subtasks and any(f.name == SUBTASK_INDEX for f in output_spec.columns)
    if output_spec.rewrite_data or output_spec.row_groups != "episode" or layout.computed or numbered:
        return None
    if not all(feature.is_numeric or feature.is_visual for feature in output_spec.columns):
        return None
    rows = run.engine.rows("layout/single_tasks")
    tasks = {(row["out_dataset"], row["out_episode"]): row["task_index"] for row in rows}
    features = {feature.name: feature for feature in output_spec.columns}
    return Splicer(run, features, list_leaf_columns(build_empty_footer(layout.schema).schema), tasks)


def _footer(path: str) -> pq.FileMetaData:
    """Errors: NotAligned."""
    with _readable():
        return pq.read_metadata(path)


@contextmanager
def _readable() -> Iterator[None]:
    """Errors: NotAligned for a file that is broken: whoever decodes it tells better what is wrong."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise NotAligned("a file that cannot be read") from error


def _groups(metadata: pq.FileMetaData) -> dict[tuple[int, int], int]:
    """The row groups by the rows that they are: from, and to."""
    groups, row = {}, 0
    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        groups[row, row + rows] = number
        row += rows
    return groups


def _values_a_row(leaf: LeafColumn, feature: Feature) -> int:
    return prod(feature.shape) if leaf.is_repeated else 1


def _sequences(firsts: Sequence[tuple[int, int]], lengths: Sequence[int], *, nullable: bool) -> _Column:
    """Numbers that rise by a step each from a first one on; a (first, step) a row group."""
    told = list(zip(firsts, lengths, strict=True))
    pages = [encode_sequence_page(first, step, length, nullable=nullable) for (first, step), length in told]
    least = [first for first, _ in firsts]
    most = [first + step * (length - 1) for (first, step), length in told]
    return _made(pages, lengths, _SEQUENCE, least, most)


def _plain(numbers: Sequence[np.ndarray], *, nullable: bool) -> _Column:
    pages = [encode_plain_page(of_episode, nullable=nullable) for of_episode in numbers]
    least, most = ([int(pick(of_episode)) for of_episode in numbers] for pick in (np.min, np.max))
    return _made(pages, [len(of_episode) for of_episode in numbers], _PLAIN, least, most)


def _made(
    pages: list[bytes], values: Sequence[int], way: int, least: Sequence[int], most: Sequence[int]
) -> _Column:
    sizes = np.array([len(page) for page in pages], np.int64)
    nothing = np.zeros(len(pages), np.int64)
    held = ColumnChunks(
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
    return _Column(held, pages)


def _task_numbers(file: OutputFile) -> Iterator[np.ndarray]:
    """The source's task number of each row, an array an episode. Errors: NotAligned."""
    for path, episodes in groupby(file.episodes, key=lambda e: str(e["data_file"])):
        with _readable():
            column = pq.read_table(path, columns=["task_index"], partitioning=None)["task_index"].to_numpy()
        for episode in episodes:
            yield column[episode["row_from"] : episode["row_to"]]


def _refuse_no_pages(joiner: Joiner, start: int, end: int, values: int) -> None:
    try:
        found = sum(
            page.values for page in read_headers(joiner.read_at, start, end) if page.kind in (DATA, DATA_V2)
        )
        problem = "" if found == values else f"{found} values of {values}"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise SourceBroken("data cannot be read, damaged pages?", reason=problem, path=joiner.path)
