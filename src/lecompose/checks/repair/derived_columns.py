"""Columns that rows tell themselves, for data files that lack them: how a recorder counts, done once more.

frame_index is the position of a row among those of its episode, timestamp is frame_index / fps, index the
position among all rows. The data files are written anew with them; the rest of the dataset is linked.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.footers import Footers
from lecompose.dataset.catalog import Source, locate
from lecompose.dataset.catalog.data_files import data_files
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.dataset.catalog.source import read_source
from lecompose.errors import SourceBroken, few
from lecompose.files.link_rest import link_rest
from lecompose.files.parquet.damage import read_footer

if TYPE_CHECKING:
    from lecompose.checks.repair import Repaired

# How far a step between timestamps may be from whole frames, in frames.
_ON_GRID = 0.1
_DERIVED = ("frame_index", "timestamp", "index")


@dataclass(frozen=True)
class Derived:
    """A dataset whose data files have the derived columns: `root` is it, `original` the one it is made of."""

    root: Path
    original: Path
    note: str

    def as_of_original(self, repaired: "Repaired") -> "Repaired":
        """Return what was made of the dataset in `root` as made of the original."""
        dropped = [replace(d, file=self.rename(d.file)) for d in repaired.dropped]
        return replace(
            repaired,
            source=replace(repaired.source, root=self.original, given=str(self.original)),
            dropped=tuple(dropped),
            notes=(self.note, *repaired.notes),
        )

    def rename(self, file: object) -> str | None:
        """Return a file as users know it."""
        return None if file is None else str(file).replace(str(self.root), str(self.original))


def derive_lacking(given: Path | str, folder: Path) -> Derived | None:
    """Return the dataset at a path with the columns that its data files lack, in a new `folder`, likewise.

    Raises:
        SourceError: where it is no dataset, or a data file cannot be read.
    """
    root = locate(given)
    source = read_source(0, name_dataset(root), str(given), root)
    footers = {file.path: read_footer(file.path) for file in data_files(source)}
    return derive_columns(source, footers, folder)


def derive_columns(source: Source, footers: Footers, folder: Path) -> Derived | None:
    """Return the dataset with the columns that data files lack, in a new `folder`; None where they lack none.

    Raises:
        SourceBroken: where a data file cannot be read.
    """
    lacks = {path: _list_lacking(metadata) for path, metadata in footers.items()}
    found = [name for name in _DERIVED if any(name in lacking for lacking in lacks.values())]
    if not found:
        return None
    root = folder / source.name
    rows = _RowCounter(float(source.fps))
    for path in sorted(footers):
        target = root / path.relative_to(source.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_complete(path, target, lacks[path], rows)
    link_rest(source.root, root)
    note = f'source "{source.name}": the data files have no {few(found)}: counted anew from the order of rows'
    return Derived(root, source.root, note)


def _list_lacking(metadata: pq.FileMetaData) -> list[str]:
    """Return the columns to be derived; none for a file that does not say which episodes its rows are of."""
    names = set(metadata.schema.to_arrow_schema().names)
    return [name for name in _DERIVED if name not in names] if "episode_index" in names else []


@dataclass
class _RowCounter:
    """Counts the rows of data files that are read one behind the other."""

    fps: float
    rows: int = 0
    of_episode: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def number(self, table: pa.Table) -> dict[str, np.ndarray]:
        """Return the derived columns of the next rows."""
        episodes = table["episode_index"].to_numpy()
        frames = np.zeros(len(table), np.int64)
        for start, stop in _find_runs(episodes):
            episode = int(episodes[start])
            frames[start:stop] = self.of_episode[episode] + np.arange(stop - start)
            self.of_episode[episode] += stop - start
            if _is_out_of_step(table.slice(start, stop - start), self.fps):
                frames[start:stop] = -1  # which frames these are, nobody knows: the episode is left out
        index = self.rows + np.arange(len(table))
        self.rows += len(table)
        stored = table["frame_index"].to_numpy() if "frame_index" in table.column_names else frames
        return {"frame_index": frames, "timestamp": stored / self.fps, "index": index}


def _find_runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the stretches [start, stop) of equal values."""
    if len(values):
        edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
        yield from pairwise(edges)


def _is_out_of_step(rows: pa.Table, fps: float) -> bool:
    """Return whether the stored index or times say that rows are missing, or not in the order of time."""
    index, frames = _take_steps(rows, "index"), _take_steps(rows, "timestamp") * fps
    on_grid = bool((np.abs(frames - np.round(frames)) < _ON_GRID).all())
    has_gap = on_grid and {1.0} < set(np.round(frames).tolist())
    return bool((index != 1).any()) or bool((frames < 0).any()) or has_gap


def _take_steps(rows: pa.Table, name: str) -> np.ndarray:
    """Return how much a column grows from row to row; nothing where it is not one of numbers."""
    values = rows[name].to_numpy() if name in rows.column_names else np.empty(0)
    return np.diff(values.astype(float)) if values.dtype.kind in "iuf" else np.empty(0)


def _write_complete(path: Path, target: Path, lacking: list[str], rows: _RowCounter) -> None:
    with pq.ParquetFile(path) as file:
        if not lacking:
            for group in range(file.num_row_groups):
                rows.number(file.read_row_group(group))
            target.symlink_to(path.resolve())
            return
        fields = [formats.arrow_field(formats.default_feature(name)) for name in lacking]
        schema = file.schema_arrow
        for each in fields:
            schema = schema.append(each)
        try:
            with pq.ParquetWriter(target, schema) as writer:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    found = rows.number(table)
                    new = [pa.array(found[each.name]).cast(each.type, safe=False) for each in fields if each]
                    writer.write_table(pa.Table.from_arrays([*table.columns, *new], schema=schema))
        except (pa.ArrowException, OSError) as error:
            raise SourceBroken("columns cannot be added to a data file", reason=error, path=path) from error
