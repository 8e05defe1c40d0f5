"""Pictures that data files name by path only, or not at all: which there are, and whether files have them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.data_files import needs_union_by_name
from lecompose.dataset.catalog.frames import list_data_files
from lecompose.engine import Engine
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import read_footer, reading_parquet
from lecompose.files.picture_files import find_picture

# No picture file is smaller.
_LEAST_BYTES = 60
_BATCH_ROWS = 65_536


@dataclass
class LooseEpisode:
    """The pictures of one feature of an episode that are no more than paths.

    `there` are in the dataset, with `size_bytes` in all; `missing` are not, first of all `first_missing`.
    `empty` are no more than a null: they have no path, either.
    """

    src_dataset: str
    feature: str
    src_episode: int
    there: int = 0
    size_bytes: int = 0
    missing: int = 0
    first_missing: str | None = None
    empty: int = 0

    def add(self, path: str | None, size_bytes: int | None) -> None:
        """Count one more, which is there with so many bytes, or is not."""
        if path is None:
            self.empty += 1
            return
        if size_bytes is not None:
            self.there, self.size_bytes = self.there + 1, self.size_bytes + size_bytes
            return
        self.missing += 1
        self.first_missing = path if self.first_missing is None else min(path, self.first_missing)

    @property
    def problem(self) -> str:
        """What is missing."""
        what = "1 picture is" if self.missing == 1 else f"{self.missing} pictures are"
        return f"{what} neither in the data file nor in the dataset, the first: {self.first_missing}"

    @property
    def emptiness(self) -> str:
        """How many are empty."""
        what = "1 picture is" if self.empty == 1 else f"{self.empty} pictures are"
        return f"{what} empty: neither bytes nor a path"


@dataclass(frozen=True)
class LoosePictures:
    """All pictures of sources that are no more than paths; `roots` are the folders that these are in."""

    episodes: Sequence[LooseEpisode] = ()
    roots: Mapping[str, Path] = field(default_factory=dict)

    def features_of(self, source: str) -> tuple[str, ...]:
        """Return the features of a source that have such pictures."""
        named = (e for e in self.episodes if e.there or e.missing)
        return tuple(dict.fromkeys(e.feature for e in named if e.src_dataset == source))

    def sizes(self) -> dict[tuple[str, int], int]:
        """Return the bytes of the files of each episode."""
        found: dict[tuple[str, int], int] = {}
        for episode in self.episodes:
            key = episode.src_dataset, episode.src_episode
            found[key] = found.get(key, 0) + episode.size_bytes
        return found

    def refuse_missing(self) -> None:
        """Refuse pictures that are nowhere.

        Raises:
            SourceBroken: naming source, episode and feature.
        """
        lines = [
            f'source "{e.src_dataset}", episode {e.src_episode}, feature "{e.feature}": {e.problem}'
            for e in self.episodes
            if e.missing
        ]
        if lines:
            raise SourceBroken(
                "pictures are missing",
                hint="--skip-broken, which leaves their episodes out, or fetch the files",
                parts=lines,
            )


def find_loose_pictures(
    catalog: Catalog,
    *,
    cameras: Collection[tuple[str, str]] | None = None,
    episodes: Collection[tuple[str, int]] | None = None,
    roots: Mapping[str, Path] | None = None,
) -> LoosePictures:
    """Return the pictures that data files do not hold, of the cameras and episodes named, or of all.

    `roots` are the folders of those sources that are read in another place.
    """
    found: list[LooseEpisode] = []
    where = {source.name: (roots or {}).get(source.name, source.root) for source in catalog.sources}
    for source in catalog.sources:
        for feature in source.columns:
            key = source.name, feature.name
            if feature.dtype == "image" and (cameras is None or key in cameras):
                found += _of_feature(catalog.engine, source, feature.name, episodes, where[source.name])
    return LoosePictures(found, {e.src_dataset: where[e.src_dataset] for e in found})


def _of_feature(
    engine: Engine, source: Source, feature: str, wanted: Collection[tuple[str, int]] | None, root: Path
) -> Iterator[LooseEpisode]:
    files = list_data_files(engine, source)
    suspect = engine.workers().each(files, lambda file: _may_lack_pictures(Path(file), feature))
    named = [file for file, is_suspect in zip(files, suspect, strict=True) if is_suspect]
    found: dict[int, LooseEpisode] = {}
    for episode, path in _list_paths(engine, feature, named):
        if wanted is None or (source.name, episode) in wanted:
            there = None if path is None else find_picture(root, path)
            held = found.setdefault(episode, LooseEpisode(source.name, feature, episode))
            held.add(path, None if there is None else there[1])
    yield from (found[episode] for episode in sorted(found))


def _list_paths(engine: Engine, feature: str, files: Sequence[str]) -> Iterator[tuple[int, str | None]]:
    if not files:
        return
    with engine.stream(
        "catalog/loose_pictures",
        {"feature": feature},
        batch_rows=_BATCH_ROWS,
        files=[formats.escaped_glob(file) for file in files],
        by_name=needs_union_by_name(files),
    ) as batches:
        for batch in batches:
            yield from zip(batch["src_episode"].to_pylist(), batch["path"].to_pylist(), strict=True)


def _may_lack_pictures(path: Path, feature: str) -> bool:
    """Return whether a data file may have pictures by path only, by its footer.

    Footers of row groups that were copied do not count nulls. There, pictures of no size tell, or paths that
    are more than the name of a file, which recorders write beside the bytes.
    """
    try:
        metadata = read_footer(path)
    except SourceBroken:
        return False
    is_counted = True
    for chunk in _find_leaf(metadata, f"{feature}.bytes"):
        counted = chunk.statistics
        if counted is None or not counted.has_null_count:
            is_counted = False
            if chunk.total_uncompressed_size < _LEAST_BYTES * chunk.num_values:
                return True
        elif counted.null_count:
            return True
    return not is_counted and _has_folders(path, feature)


def _find_leaf(metadata: pq.FileMetaData, leaf: str) -> Iterable[pq.ColumnChunkMetaData]:
    names = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
    if leaf not in names:
        return
    for group in range(metadata.num_row_groups):
        yield metadata.row_group(group).column(names.index(leaf))


def _has_folders(path: Path, feature: str) -> bool:
    with reading_parquet(path), pq.ParquetFile(path) as file:
        if f"{feature}.path" not in [file.schema.column(n).path for n in range(len(file.schema))]:
            return False
        cells = file.read([f"{feature}.path"]).column(0)
        found = pc.any(pc.match_substring_regex(pc.struct_field(cells, "path"), r"[/\\]"))
        return bool(found.as_py())
