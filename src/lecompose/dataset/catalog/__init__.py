"""A dataset folder → relations. The same ones whatever the format version:

    datasets   one row a source: src_dataset, src_position, path, root, version, fps, robot_type
    features   src_dataset, position, feature, dtype, shape, names, info
    tasks      src_dataset, src_task, task
    episodes   src_dataset, src_episode, length, seconds, task, tasks, from/to_index, data_file, rows
    frames     every data column, with src_dataset and src_episode in front (where asked for: a source each)
    clips      one row per episode and camera: video_file, from_frame, to_frame
    custom     src_dataset, src_episode, and the per-episode columns that are none of LeRobot's
    lineage    src_dataset, src_episode, step, from_dataset, from_path, from_episode, from_frame, to_frame,
               command, version

and two that say what meta/ declares and what the data files really hold, for the checks to compare:
`declared` and `placement`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lecompose.dataset.catalog.custom_columns import CustomColumn, CustomColumns
from lecompose.dataset.catalog.frames import list_data_files
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.dataset.catalog.lineage import LINEAGE_PATH
from lecompose.dataset.catalog.register import are_small, gather_facts, register_sources
from lecompose.dataset.catalog.source import (
    Source,
    episode_number,
    given_names,
    locate,
    read_source,
    unique_names,
)
from lecompose.dataset.user_tables import UserTables
from lecompose.engine import Engine
from lecompose.errors import RequestError, collect

__all__ = [
    "LINEAGE_PATH",
    "CameraFile",
    "Catalog",
    "CustomColumn",
    "CustomColumns",
    "DeclaredLength",
    "Source",
    "episode_number",
    "locate",
    "open_catalog",
]


@dataclass(frozen=True)
class _DoubtfulTask:
    src_task: int


@dataclass(frozen=True)
class DeclaredLength:
    """How many frames an episode has, as meta/ declares it."""

    src_episode: int
    length: int


@dataclass(frozen=True)
class CameraFile:
    """A video file, and how many episodes of a source lie in it."""

    src_dataset: str
    camera: str
    video_file: str
    episodes: int
    first_episode: int


@dataclass(frozen=True)
class _NumberedTask:
    src_task: int | None
    task: str


@dataclass(frozen=True)
class Catalog:
    """Open sources, and the engine whose relations describe them.

    `is_small` where statements over them take longer to plan than to run: threads do not help. `left_out` are
    by source the numbers of the episodes that could not be saved, `tables` the user's own.
    """

    engine: Engine
    sources: tuple[Source, ...]
    custom: CustomColumns
    is_small: bool = False
    left_out: Mapping[str, frozenset[int]] = field(default_factory=dict)
    tables: UserTables = field(default_factory=UserTables)

    def data_files(self, source: Source) -> list[str]:
        """Return the paths of the data files of a source, in order."""
        return list_data_files(self.engine, source)

    def files_by_source(self) -> dict[str, list[str]]:
        """Return the paths of the data files of each source, in order."""
        files: dict[str, list[str]] = {source.name: [] for source in self.sources}
        found = self.engine.read("data_files", ["src_dataset", "data_file"], order=["data_file"])
        for name, path in zip(*(column.to_pylist() for column in found.columns), strict=True):
            files[name].append(path)
        return files

    def camera_files(self) -> list[CameraFile]:
        """Return every video file in which an episode lies, once, source by source."""
        return self.engine.records("catalog/camera_files", CameraFile)

    def task_texts(self, source: Source) -> list[str | None]:
        """Return the tasks of a source, each at the place of its number; None for those that are not known.

        So are those of a list that lacks numbers, where episodes list other texts.
        """
        asked = ("src_dataset", source.name)
        tasks = self.engine.read_records("tasks", _NumberedTask, where=asked, order=["src_task"])
        texts: dict[int, str | None] = {t.src_task: t.task for t in tasks if t.src_task is not None}
        doubtful = self.engine.records("catalog/doubtful_tasks", _DoubtfulTask, src_dataset=source.name)
        texts |= dict.fromkeys(task.src_task for task in doubtful)
        return [texts.get(number) for number in range(max(texts, default=-1) + 1)]

    def lengths(self, source: Source) -> list[DeclaredLength]:
        """Return how many frames each episode of a source has, as its metadata declares it."""
        asked = ("src_dataset", source.name)
        return self.engine.read_records("declared", DeclaredLength, where=asked, order=["src_episode"])


def open_catalog(
    engine: Engine,
    paths: Sequence[Path | str],
    *,
    names: Sequence[str] | None = None,
    given: Sequence[Path | str] | None = None,
) -> Catalog:
    """Return the catalog of the dataset folders (or repo ids under $HF_LEROBOT_HOME) in `paths`.

    `names` become the sources' `src_dataset`; without them their folders' names do. `given` are the paths
    that the user knows them by, where those are others.
    Only metadata and the data files' bookkeeping columns are read.

    Raises:
        RequestError: for names that do not tell the sources apart.
        SourceNotFound, UnsupportedVersion, SourceBroken: all of a kind together.
    """
    if not paths:
        raise RequestError("no source was named", hint="lecompose merge A B -o OUT")
    if names is not None:
        names = given_names(names, sources=len(paths))
    roots = collect(paths, locate, what="sources")
    labels = names or unique_names(map(name_dataset, roots))
    found = [(n, labels[n], str(path), roots[n]) for n, path in enumerate(given or paths)]
    sources = tuple(collect(found, lambda source: read_source(*source), what="sources"))
    shares = collect(sources, lambda source: gather_facts(engine, source), what="sources")
    custom = register_sources(engine, sources, shares)
    return Catalog(engine, sources, custom, are_small(shares))
