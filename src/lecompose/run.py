"""What every stage is given: the layout, where to write, whom to tell, what to count."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from lecompose import formats
from lecompose.ahead import Ahead
from lecompose.engine import Engine
from lecompose.layout import Layout, Reencoded
from lecompose.staging import Beside, Staging
from lecompose.target import Target

T = TypeVar("T")
# The disk is waited for, not the processor; file systems write many that wait together at once.
DISK_THREADS = 16


class File(Protocol):
    """An output file that a stage is about to write."""

    @property
    def path(self) -> Path: ...


F = TypeVar("F", bound=File)
R = TypeVar("R")


class Progress(Protocol):
    """Told how far a run is. Units: bytes."""

    def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None:
        """A stage starts that will move about so many bytes, of so many episodes."""

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        """So many bytes and episodes more are done."""


class Silent:
    """The progress that tells nobody."""

    def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None: ...

    def advance(self, size_bytes: int, episodes: int = 0) -> None: ...


@dataclass(frozen=True)
class Work:
    """Jobs on threads, and whom they tell how far they are."""

    engine: Engine
    progress: Progress
    _lock: Lock = field(default_factory=Lock, repr=False)
    _stopped: Event = field(default_factory=Event, repr=False)

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        """Report progress; safe from any thread. Errors: Stopped where another job has failed."""
        if self._stopped.is_set():
            raise Stopped
        with self._lock:
            self.progress.advance(size_bytes, episodes)

    def each(self, items: Sequence[T], do: Callable[[T], R], *, threads: int | None = None) -> list[R]:
        """`do` of every item, on threads (the engine's number of them), in the order of the items.

        Errors: the first that any job raises. Jobs not yet begun never are; those under way stop at their
        next `advance`, and queries at once.
        """
        return self.engine.at_once(items, do, threads=threads, stop=self._stopped.set)


@dataclass(frozen=True)
class Run:
    """One execution: `folders` are where each output is made, `moves` the renames that put them in place.

    `command` is the whole request as a shell would take it, for the outputs to remember. What `overwrite`
    replaces is gone then; what is replaced `in_place` leaves behind what was no part of the dataset.
    `disk` takes what is written while later stages work, `carried` are the statistics of sources' episodes,
    which are read while earlier ones do.
    """

    layout: Layout
    folders: dict[str, Path]
    moves: dict[Path, Path]
    scratch: Path
    progress: Progress
    command: str
    staging: Staging
    carried: Ahead[pa.Table]
    overwrite: bool = False
    in_place: bool = False
    counted: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    reencoded: list[Reencoded] = field(default_factory=list)
    disk: Beside = field(default_factory=partial(Beside, DISK_THREADS))
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def engine(self) -> Engine:
        return self.layout.engine

    @property
    def target(self) -> Target:
        return self.layout.target

    def data_file(self, output: str, row: Mapping[str, Any]) -> Path:
        """The staging path of the data file that a row of the layout lies in."""
        name = formats.DATA_PATH.format(chunk_index=row["chunk_index"], file_index=row["file_index"])
        return self.folders[output] / name

    def video_file(self, output: str, camera: str, row: Mapping[str, Any]) -> Path:
        """The staging path of a camera's video file that a row of its clips' layout lies in."""
        name = formats.VIDEO_PATH.format(
            video_key=camera, chunk_index=row["chunk_index"], file_index=row["file_index"]
        )
        return self.folders[output] / name

    def count(self, what: str, n: int) -> None:
        """Add to a counter; safe from any thread."""
        with self._lock:
            self.counted[what] += n

    @cached_property
    def work(self) -> Work:
        """The threads of this run."""
        return Work(self.engine, self.progress)

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        """As `Work.advance`."""
        self.work.advance(size_bytes, episodes)

    def each(self, items: Sequence[T], do: Callable[[T], R], *, threads: int | None = None) -> list[R]:
        """As `Work.each`."""
        return self.work.each(items, do, threads=threads)

    def unfinished(self, files: Sequence[F]) -> list[F]:
        """The files that are still to be written: those that a killed run has finished are only counted."""
        if not self.staging.held:
            return list(files)
        there = self.each(files, lambda file: self.staging.has(file.path))
        self.count("files_resumed", sum(there))
        return [file for file, has in zip(files, there, strict=True) if not has]

    def finish(self, path: Path) -> None:
        """Note that a file is written, so that no later run with the same request has to."""
        self.count("files_written", 1)
        self.staging.finish(path)


class Stopped(Exception):
    """A job was told to stop because another one failed; never seen outside of `Work.each`."""
