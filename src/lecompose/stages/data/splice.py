"""Data files put together from encoded column chunks: near the speed of `cp`, and no number can change.

An episode that is a row group of its source keeps its chunks but for those of the numbering, which are made
anew: they hold a sequence or a constant, and take a few bytes. The footer is new.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.errors import SourceBroken
from lecompose.formats import BOOKKEEPING, SUBTASK_INDEX, Feature
from lecompose.parquet.footers import (
    MAGIC,
    Chunks,
    Leaf,
    chunks,
    empty_file,
    end_of_file,
    joined_chunks,
    leaves,
)
from lecompose.parquet.pages import DATA, DATA_V2, headers, plain, sequence
from lecompose.run import Run
from lecompose.stages.data.file import OutputFile
from lecompose.stages.data.pieces import Piece, Source, put
from lecompose.values import stored_names

_WAYS = (("UNCOMPRESSED", ("RLE", "DELTA_BINARY_PACKED")), ("UNCOMPRESSED", ("RLE", "PLAIN")))
_SEQUENCE, _PLAIN = range(len(_WAYS))


class NotAligned(Exception):
    """Rows that have to be decoded: they are not stored as the output would have them."""


@dataclass(frozen=True)
class _Column:
    """The chunks of one leaf for some episodes: in their source file or, with `pages`, made anew."""

    chunks: Chunks
    pages: list[bytes] | None = None

    def piece(self, number: int) -> Piece:
        """One of the chunks: its bytes, or where the source has them."""
        if self.pages is not None:
            return self.pages[number]
        return int(self.chunks.start[number]), int(self.chunks.size[number])


@dataclass(frozen=True)
class _Part:
    """Episodes that follow each other in the output and come from one source file."""

    path: Path
    episodes: list[dict[str, Any]]
    columns: list[_Column]

    def pieces(self) -> Iterator[Piece]:
        """The chunks of row group after row group."""
        for number in range(len(self.episodes)):
            yield from (column.piece(number) for column in self.columns)


@dataclass(frozen=True)
class Splicer:
    """Writes data files whose rows need no decoding.

    `features` are those of the output's columns by name, `leaves` how they are stored, `tasks` the task of
    each output episode that has just one.
    """

    run: Run
    features: Mapping[str, Feature]
    leaves: list[Leaf]
    tasks: Mapping[tuple[str, int], int]

    def write(self, file: OutputFile) -> int:
        """The bytes that were copied into a file, which is then whole.

        Errors: NotAligned, before anything is written; SourceBroken for pictures whose pages are no pages;
        OSError for the output.
        """
        parts = list(self._parts(file))
        columns = [joined_chunks([part.columns[n].chunks for part in parts]) for n in range(len(self.leaves))]
        sizes = np.stack([column.size for column in columns], axis=1)
        ends = len(MAGIC) + np.cumsum(sizes).reshape(sizes.shape)
        moved = [c.moved(ends[:, n] - sizes[:, n]) for n, c in enumerate(columns)]
        rows = np.array([episode["length"] for episode in file.episodes], np.int64)
        copied = 0
        with file.path.open("wb", buffering=0) as out:
            put(out, [MAGIC])
            for part in parts:
                with Source(part.path) as source:
                    self._refuse_pictures(part, source)
                    copied += put(out, part.pieces(), source, on_bytes=self.run.advance)
                self.run.advance(0, len(part.episodes))
            put(out, [end_of_file(self.run.layout.schema, rows, list(zip(self.leaves, moved, strict=True)))])
        return copied

    def _parts(self, file: OutputFile) -> Iterator[_Part]:
        """Errors: NotAligned."""
        first = 0
        for (source, path), group in groupby(file.episodes, key=lambda e: (e["src_dataset"], e["data_file"])):
            episodes = list(group)
            held = self._copied(source, path, episodes)
            numbered = self._numbered(file, first, path, episodes)
            yield _Part(Path(path), episodes, [numbered.get(leaf.name) or next(held) for leaf in self.leaves])
            first += len(episodes)

    # Chunks that are kept --------------------------------------------------------------------------

    def _copied(self, source: str, path: str, episodes: list[dict[str, Any]]) -> Iterator[_Column]:
        """The columns of a source file that are taken over, in the order of the output's."""
        steps = self.run.target.pace.steps(source)
        if steps.stride > 1 or steps.fps is not None:
            raise NotAligned("frames that are left out or timed anew")
        kept = [leaf for leaf in self.leaves if leaf.name not in BOOKKEEPING]
        metadata = _footer(path)
        groups = _groups(metadata, episodes)
        try:
            found = chunks(metadata, self._places(source, kept, leaves(metadata.schema)))
        except ValueError as error:
            raise NotAligned(str(error)) from error
        rows = np.array([episode["length"] for episode in episodes])
        columns = [column.taken(groups) for column in found]
        for leaf, column in zip(kept, columns, strict=True):
            if (column.values != rows * _values_a_row(leaf, self.features[leaf.name])).any():
                raise NotAligned(f"rows of {leaf.name} with more or fewer values")
        return iter([_Column(column) for column in columns])

    def _places(self, source: str, wanted: list[Leaf], stored: list[Leaf]) -> list[int]:
        """Where among a file's leaves those are that the output wants. Errors: NotAligned."""
        schema, takes = self.run.layout.schema, self.run.target.taken[source]
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

    # Chunks that are made anew ---------------------------------------------------------------------

    def _numbered(
        self, file: OutputFile, first: int, path: str, episodes: list[dict[str, Any]]
    ) -> dict[str, _Column]:
        """The numbering of some episodes of a file, from its `first` one on."""
        nullable = {leaf.name: leaf.is_nullable for leaf in self.leaves}
        firsts = {
            "index": [(e["from_index"], 1) for e in episodes],
            "episode_index": [(e["out_episode"], 0) for e in episodes],
        }
        lengths = [e["length"] for e in episodes]
        columns = {n: _sequences(told, lengths, nullable=nullable[n]) for n, told in firsts.items()}
        return columns | {
            "task_index": self._task_column(file, first, path, episodes, nullable["task_index"])
        }

    def _task_column(
        self, file: OutputFile, first: int, path: str, episodes: list[dict[str, Any]], nullable: bool
    ) -> _Column:
        own = [self.tasks.get((e["out_dataset"], e["out_episode"])) for e in episodes]
        lengths = [e["length"] for e in episodes]
        single = [(number, 0) for number in own if number is not None]
        if len(single) == len(own):
            return _sequences(single, lengths, nullable=nullable)
        starts = file.first_tasks[first : first + len(episodes)]
        tasks = zip(starts, _task_numbers(path, episodes), strict=True)
        return _plain([file.tasks.numbers[start + numbers] for start, numbers in tasks], nullable)

    # Pictures --------------------------------------------------------------------------------------

    def _refuse_pictures(self, part: _Part, source: Source) -> None:
        """Errors: SourceBroken unless the chunks of pictures are whole pages; of numbers statistics tell."""
        for leaf, column in zip(self.leaves, part.columns, strict=True):
            if column.pages is None and self.features[leaf.name].is_visual:
                for start, size, values in _rows(column.chunks):
                    _refuse_no_pages(source, start, start + size, values)


def splicer(run: Run) -> Splicer | None:
    """What splices the files of a run; None where all of them are to be decoded."""
    target, layout = run.target, run.layout
    numbered = layout.has_subtasks and any(f.name == SUBTASK_INDEX for f in target.columns)
    if target.row_groups != "episode" or layout.added or numbered:
        return None
    if not all(feature.is_numeric or feature.is_visual for feature in target.columns):
        return None
    rows = run.engine.rows("layout/single_tasks")
    tasks = {(row["out_dataset"], row["out_episode"]): row["task_index"] for row in rows}
    features = {feature.name: feature for feature in target.columns}
    return Splicer(run, features, leaves(empty_file(layout.schema).schema), tasks)


def _footer(path: str) -> pq.FileMetaData:
    """Errors: NotAligned, for whoever decodes tells better what is wrong."""
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise NotAligned("a footer that cannot be read") from error


def _groups(metadata: pq.FileMetaData, episodes: list[dict[str, Any]]) -> np.ndarray:
    """The row group that each episode is. Errors: NotAligned where one is not just that."""
    rows = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    ends = np.cumsum(rows)
    starts = ends - rows
    row_from, row_to = (np.array([e[name] for e in episodes], np.int64) for name in ("row_from", "row_to"))
    groups = np.searchsorted(starts, row_from, side="right") - 1
    if len(rows) == 0 or (starts[groups] != row_from).any() or (ends[groups] != row_to).any():
        raise NotAligned("episodes that are no row group")
    return groups


def _values_a_row(leaf: Leaf, feature: Feature) -> int:
    return prod(feature.shape) if leaf.is_repeated else 1


def _sequences(firsts: Sequence[tuple[int, int]], lengths: Sequence[int], *, nullable: bool) -> _Column:
    """Numbers that rise by a step each from a first one on; a (first, step) a row group."""
    told = list(zip(firsts, lengths, strict=True))
    pages = [sequence(first, step, length, nullable=nullable) for (first, step), length in told]
    least = [first for first, _ in firsts]
    most = [first + step * (length - 1) for (first, step), length in told]
    return _made(pages, lengths, _SEQUENCE, least, most)


def _plain(numbers: Sequence[np.ndarray], nullable: bool) -> _Column:
    pages = [plain(of_episode, nullable=nullable) for of_episode in numbers]
    least, most = ([int(pick(of_episode)) for of_episode in numbers] for pick in (np.min, np.max))
    return _made(pages, [len(of_episode) for of_episode in numbers], _PLAIN, least, most)


def _made(
    pages: list[bytes], values: Sequence[int], way: int, least: Sequence[int], most: Sequence[int]
) -> _Column:
    sizes = np.array([len(page) for page in pages], np.int64)
    nothing = np.zeros(len(pages), np.int64)
    held = Chunks(
        start=nothing,
        size=sizes,
        unpacked=sizes,
        values=np.array(values, np.int64),
        dictionary=nothing - 1,
        pages=nothing,
        way=nothing + way,
        ways=_WAYS,
        least=np.array(least, np.int64),
        most=np.array(most, np.int64),
    )
    return _Column(held, pages)


def _task_numbers(path: str, episodes: list[dict[str, Any]]) -> Iterator[np.ndarray]:
    """The source's task number of each row, an array an episode."""
    column = pq.read_table(path, columns=["task_index"], partitioning=None)["task_index"].to_numpy()
    for episode in episodes:
        yield column[episode["row_from"] : episode["row_to"]]


def _rows(held: Chunks) -> Iterator[tuple[int, int, int]]:
    return zip(held.start.tolist(), held.size.tolist(), held.values.tolist(), strict=True)


def _refuse_no_pages(source: Source, start: int, end: int, values: int) -> None:
    try:
        found = sum(
            page.values for page in headers(source.read_at, start, end) if page.kind in (DATA, DATA_V2)
        )
        problem = "" if found == values else f"{found} values of {values}"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise SourceBroken(f"data cannot be read, damaged pages? {problem}. ({source.path})")
