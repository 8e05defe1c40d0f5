"""What every stage is given: the layout, where to write, whom to tell, what to count."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from lecompose import formats
from lecompose.composition.layout import Layout, Reencoded
from lecompose.composition.output_spec import OutputSpec
from lecompose.composition.resume import Staging
from lecompose.concurrency import BackgroundTasks, Prefetch, Progress, Workers
from lecompose.engine import Engine

T = TypeVar("T")
# The disk is waited for, not the processor; file systems write many that wait together at once.
DISK_THREADS = 16


class File(Protocol):
    """An output file that a stage is about to write."""

    @property
    def path(self) -> Path: ...


F = TypeVar("F", bound=File)
R = TypeVar("R")


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
    carried: Prefetch[pa.Table]
    overwrite: bool = False
    in_place: bool = False
    counted: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    reencoded: list[Reencoded] = field(default_factory=list)
    disk: BackgroundTasks = field(default_factory=partial(BackgroundTasks, DISK_THREADS))
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def engine(self) -> Engine:
        return self.layout.engine

    @property
    def output_spec(self) -> OutputSpec:
        return self.layout.output_spec

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
    def workers(self) -> Workers:
        """The threads of this run."""
        return self.engine.workers(self.progress)

    def unfinished(self, files: Sequence[F]) -> list[F]:
        """The files that are still to be written: those that a killed run has finished are only counted."""
        if not self.staging.held:
            return list(files)
        there = self.workers.each(files, lambda file: self.staging.has(file.path))
        self.count("files_resumed", sum(there))
        return [file for file, has in zip(files, there, strict=True) if not has]

    def finish(self, path: Path) -> None:
        """Note that a file is written, so that no later run with the same request has to."""
        self.count("files_written", 1)
        self.staging.finish(path)
