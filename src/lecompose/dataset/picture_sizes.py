"""Pictures in data files that are of another size than the first one of their feature."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.frames import list_data_files
from lecompose.engine import Engine
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.files.picture_files import find_picture
from lecompose.files.picture_header import read_picture_header
from lecompose.formats import PICTURE_BATCH_ROWS

_BUFFER_BYTES = 2**16

_Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class OddPictures:
    """An episode with pictures of another size; `size` is that of the first of them."""

    src_dataset: str
    feature: str
    data_file: str
    src_episode: int | None
    size: _Size
    usual: _Size

    @property
    def problem(self) -> str:
        """Which size there is."""
        return f"pictures of {_show(self.size)}, the first ones of the feature are {_show(self.usual)}"


def _show(size: _Size) -> str:
    return f"{size[1]} × {size[0]}"


def find_odd_sizes(
    catalog: Catalog, *, every: bool = False, cameras: Collection[tuple[str, str]] | None = None
) -> list[OddPictures]:
    """Return the episodes with pictures of another size, of the cameras named, or of all.

    Looks at the header of the first picture of each row group; with `every`, of all pictures.
    """
    found: list[OddPictures] = []
    for source in catalog.sources:
        for feature in source.columns:
            key = source.name, feature.name
            if feature.dtype == "image" and (cameras is None or key in cameras):
                found += _of_feature(catalog.engine, source, feature.name, every=every)
    return found


def _of_feature(engine: Engine, source: Source, feature: str, *, every: bool) -> Iterator[OddPictures]:
    files = list_data_files(engine, source)
    by_file = engine.workers().each(files, lambda file: _read_sizes(source, Path(file), feature, every=every))
    usual: _Size | None = None
    told: set[int | None] = set()
    for file, sizes in zip(files, by_file, strict=True):
        for episode, size in sizes:
            usual = usual or size
            if size != usual and episode not in told:
                told.add(episode)
                yield OddPictures(source.name, feature, file, episode, size, usual)


def _read_sizes(source: Source, path: Path, feature: str, *, every: bool) -> list[tuple[int | None, _Size]]:
    """Return episode and size of pictures in a file, those that can be read, and repeated ones once."""
    found: dict[tuple[int | None, _Size], None] = {}
    with (
        suppress(SourceBroken),  # that is told by whoever reads the file
        reading_parquet(path),
        pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
    ):
        names = [n for n in ("episode_index", feature) if n in file.schema_arrow.names]
        for group in range(file.num_row_groups) if feature in names else ():
            rows = PICTURE_BATCH_ROWS if every else 1
            for batch in file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
                episodes: Sequence[int | None] = [None] * len(batch)
                if "episode_index" in names:
                    episodes = batch["episode_index"].to_pylist()
                for episode, cell in zip(episodes, batch[feature].to_pylist(), strict=True):
                    if (size := _read_size(source, cell)) is not None:
                        found[episode, size] = None
                if not every:
                    break
    return list(found)


def _read_size(source: Source, cell: object) -> _Size | None:
    if not isinstance(cell, dict):
        return None
    content = cell.get("bytes")
    if content is None and cell.get("path"):
        there = find_picture(source.root, cell["path"])
        with suppress(OSError):
            content = None if there is None else Path(there[0]).read_bytes()
    header = read_picture_header(content) if isinstance(content, bytes) else None
    return None if header is None else (header.height, header.width)
