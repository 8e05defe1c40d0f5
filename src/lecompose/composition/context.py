"""What every stage is given: the layout, where to write, whom to tell, what to count."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar

import pyarrow as pa

from lecompose.composition.episode_stats import EpisodeStats
from lecompose.composition.in_place import Stamps
from lecompose.composition.layout import Layout, Reencoded
from lecompose.composition.output_spec import OutputSpec
from lecompose.composition.resume import Staging
from lecompose.concurrency import BackgroundTasks, Prefetch, Progress, Workers
from lecompose.engine import Engine

# The disk is waited for, not the processor; file systems write many that wait together at once.
DISK_THREADS = 16


class FileJob(Protocol):
    """A job that writes one file of an output, at `path` in its folder."""

    @property
    def out_dataset(self) -> str: ...

    @property
    def path(self) -> str: ...


J = TypeVar("J", bound=FileJob)


@dataclass
class Run:
    """One execution: `folders` are where each output is made, `moves` the renames that put them in place.

    `command` is the whole request as a shell would take it, for the outputs to remember. What `overwrite`
    replaces is gone then; what is replaced `in_place` leaves behind what was no part of the dataset, and has
    to look as its `stamps` say.
    `disk` takes what is written while later stages work. `stored_stats` are the statistics of sources'
    episodes, read while earlier stages work; the stats stage makes `episode_stats` of them. `seen_pictures`
    are files of what others have seen in the pictures of an output, a file of it, and a camera.
    """

    layout: Layout
    folders: dict[str, Path]
    moves: dict[Path, Path]
    scratch: Path
    progress: Progress
    command: str
    staging: Staging
    stored_stats: Prefetch[pa.Table]
    overwrite: bool = False
    stamps: Stamps | None = None
    counted: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    reencoded: list[Reencoded] = field(default_factory=list)
    seen_pictures: dict[tuple[str, str, str], Path] = field(default_factory=dict)
    episode_stats: EpisodeStats = field(init=False)
    disk: BackgroundTasks = field(default_factory=partial(BackgroundTasks, DISK_THREADS))
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def engine(self) -> Engine:
        return self.layout.engine

    @property
    def output_spec(self) -> OutputSpec:
        return self.layout.output_spec

    @property
    def in_place(self) -> bool:
        """Whether the output takes the place of a dataset that it is made of."""
        return self.stamps is not None

    def count(self, what: str, n: int) -> None:
        """Add to a counter; safe from any thread."""
        with self._lock:
            self.counted[what] += n

    def count_all(self, counts: Mapping[str, int]) -> None:
        """Add to several counters; safe from any thread."""
        with self._lock:
            self.counted.update(counts)

    @cached_property
    def workers(self) -> Workers:
        """The threads of this run."""
        return self.engine.workers(self.progress)

    def unfinished(self, jobs: Sequence[J]) -> list[J]:
        """Return the jobs still to be carried out: files that a killed run has finished are only counted."""
        if not self.staging.finished:
            return list(jobs)
        there = self.workers.each(jobs, lambda job: self.staging.has_finished(self._path(job)))
        self.count("files_resumed", sum(there))
        return [job for job, has in zip(jobs, there, strict=True) if not has]

    def finish(self, job: FileJob) -> None:
        """Note that a job's file is written, so that no later run with the same request has to."""
        self.count("files_written", 1)
        self.staging.finish(self._path(job))

    def _path(self, job: FileJob) -> Path:
        return self.folders[job.out_dataset] / job.path
