"""Carry out jobs of a folder, in a process of its own: on this machine or any other that sees the folder.

What a job makes goes below the worker's own name, then to the disk, and then a record says so. Whatever
happens in between, the job is carried out again, by this worker or another one, with the same bytes.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count
from pathlib import Path

from lecompose.composition.carry_out_job import carry_out_job
from lecompose.composition.jobs import (
    ClipSpan,
    DataFileResult,
    EncodeClipJob,
    Job,
    MeasurePicturesJob,
    VideoFileJob,
    VideoFileResult,
)
from lecompose.composition.resume.journal import FinishedFile, checksum_file
from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.job_list import CHECK, Task
from lecompose.composition.runners.records import Done, Records, WorkerJournal
from lecompose.engine import Engine, open_engine
from lecompose.errors import ComposeError, OutputUnwritable
from lecompose.files import mp4
from lecompose.files.fsync import sync_file, sync_folder
from lecompose.statistics import SampledClip, look_at_clips

# A file system of many machines may show a file to one a while after another has written it.
_STALE_S = 10.0
TRIES = 3
# What was seen in pictures.
_SEEN = "seen.npz"


class JobsGone(ComposeError):
    """The folder is gone: the outputs are in place, or the jobs were cancelled."""


class FileSpoilt(ComposeError):
    """A file that a task needs does not hold what its writer said of it."""


@dataclass
class Outcome:
    """What a worker has carried out, and which tasks failed however often they were tried."""

    done: list[Done] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    waiting: int = 0


class Worker:
    """One process that carries out jobs of a folder."""

    def __init__(self, folder: JobFolder, *, threads: int | None, memory: str | None) -> None:
        """Begin its journal, and make its folder.

        Raises:
            OutputUnwritable: if the folder cannot be written.
        """
        self.folder, self._threads, self._memory = folder, threads, memory
        self._tries, self.failed = count(1), set[int]()
        try:
            self._journal = WorkerJournal(folder.results, folder.request.fingerprint)
            self.files = folder.files / self._journal.worker
            self.files.mkdir()
        except OSError as error:
            self._raise_if_gone(error)
            raise OutputUnwritable(
                "cannot write beside the output", reason=error, path=folder.path
            ) from error

    @property
    def name(self) -> str:
        return self._journal.worker

    @cached_property
    def engine(self) -> Engine:
        scratch = self.files / "scratch"
        scratch.mkdir(exist_ok=True)
        return open_engine(scratch=scratch, threads=self._threads, memory=self._memory)

    def close(self) -> None:
        """End; of what it wrote only the files of jobs stay, and nothing at all where the folder is gone."""
        if "engine" in self.__dict__:
            self.engine.close()
        self._journal.close()
        shutil.rmtree(self.files / "scratch", ignore_errors=True)
        if not self.stands:
            self._remove_rest()

    @property
    def stands(self) -> bool:
        """Whether the jobs are still planned, and not again after somebody removed the folder."""
        return self.folder.stands and self.files.is_dir()

    def _remove_rest(self) -> None:
        """Remove what was written while somebody else removed the folder; others' jobs may be there now."""
        self._journal.remove()
        shutil.rmtree(self.files, ignore_errors=True)

    def try_task(self, task: Task, records: Mapping[int, Done]) -> Done | None:
        """Carry a task out, in up to three tries; None where all of them failed, which the journal says.

        None, too, where a file of a task that it needs is spoilt: that one is to be done again. `records` are
        of the tasks that it needs.

        Raises:
            JobsGone: if the folder is gone.
        """
        for _ in range(TRIES):
            if not self.stands:
                raise JobsGone("the jobs are gone", path=self.folder.path)
            self._say(partial(self._journal.begin, task.number))
            home = self.files / f"{task.number}-{next(self._tries)}"
            try:
                done = self._carry_out(task, home, records)
                self._journal.finish(done)
            except FileSpoilt as error:
                file = Path(str(error.path)).relative_to(self.folder.path).as_posix()
                self._say(partial(self._journal.give_up, file))
                return None
            except Exception as error:
                self._raise_if_gone(error)
                shutil.rmtree(home, ignore_errors=True)  # on a full disk the record needs room
                self._say(partial(self._journal.fail, task.number, error))
                continue
            return done
        self.failed.add(task.number)
        return None

    def _say(self, note: Callable[[], None]) -> None:
        """Note something in the journal. Raises OutputUnwritable if that cannot be."""
        try:
            note()
        except OSError as error:
            raise OutputUnwritable("cannot note what is done", reason=error, path=self.folder.path) from error

    def _raise_if_gone(self, error: Exception) -> None:
        if not self.stands:
            raise JobsGone("the jobs are gone", path=self.folder.path) from error

    def _carry_out(self, task: Task, home: Path, records: Mapping[int, Done]) -> Done:
        start = time.perf_counter()
        if task.kind == CHECK:
            self._find_written(task, records)
            path = self.folder.path / records[task.needs[0]].file
            counts, psnr_db = dict[str, int](), None
        else:
            path, counts, psnr_db = self._write(self.folder.jobs.read_job(task.number), task, home, records)
            sync_file(path)
            sync_folder(path.parent)
        return Done(
            task.number,
            self.name,
            file=path.relative_to(self.folder.path).as_posix(),
            content=records[task.needs[0]].content if task.kind == CHECK else checksum_file(path),
            seconds=time.perf_counter() - start,
            at_s=time.time(),
            counts=counts,
            psnr_db=psnr_db,
        )

    def _find_written(self, task: Task, records: Mapping[int, Done]) -> Path:
        """Return where the file is that a task looks at: in its output already, or with its writer.

        Raises:
            FileSpoilt: if it does not hold what its writer says.
        """
        written = records[task.needs[0]]
        taken = self.folder.staging / "outputs" / str(task.out_dataset) / str(task.path)
        is_taken = taken.is_file() and holds(self.folder, taken, written.content)
        return taken if is_taken else self._check(written)

    def _check(self, written: Done) -> Path:
        """Return the path of a file that holds what its writer says.

        Raises:
            FileSpoilt: if it holds something else.
        """
        path = self.folder.path / written.file
        if not holds(self.folder, path, written.content):
            self._raise_if_gone(error := FileSpoilt("a file does not hold what its writer said", path=path))
            raise error
        return path

    def _measure(self, job: MeasurePicturesJob, home: Path, path: Path) -> tuple[Path, dict[str, int]]:
        """Write down what is seen in the pictures of a file; return that and how many frames were decoded."""
        decoded = Counter[str]()
        clips = [SampledClip(path, episode.from_frame, episode.to_frame) for episode in job.episodes]
        seen = look_at_clips(
            clips,
            job.camera,
            quantiles=job.quantiles,
            on_frame=lambda: decoded.update(("frames_decoded",)),
        )
        seen.write(home / _SEEN)
        return home / _SEEN, dict(decoded)

    def _write(
        self, job: Job, task: Task, home: Path, records: Mapping[int, Done]
    ) -> tuple[Path, dict[str, int], float | None]:
        """Write the file of a job; return it, what is counted, and how near an encoded clip came."""
        home.mkdir()
        if isinstance(job, MeasurePicturesJob):
            return *self._measure(job, home, self._find_written(task, records)), None
        encoded = self._open_clips(job, task, records) if isinstance(job, VideoFileJob) else {}
        scratch = home if isinstance(job, EncodeClipJob) else self.engine.scratch
        result = carry_out_job(job, home, self.engine, scratch=scratch, encoded=encoded)
        if isinstance(result, DataFileResult | VideoFileResult):
            return home / str(task.path), result.counts, None
        counts = {"frames_decoded": result.frames_decoded, "frames_encoded": result.video.frames}
        return result.video.path, counts, result.psnr_db

    def _open_clips(
        self, job: VideoFileJob, task: Task, records: Mapping[int, Done]
    ) -> dict[ClipSpan, mp4.EncodedVideo]:
        """Return the clips of a video file that others have encoded."""
        spans = sorted({clip.span for clip in job.clips if clip.encode is not None})
        found = {}
        by_span = {self._span_of(number): records[number] for number in task.needs}
        for span in spans:
            done = by_span[span]
            path = self._check(done)
            source = mp4.probe(Path(span[0]), scratch=self.engine.scratch)
            found[span] = mp4.open_encoded(
                path, source, done.psnr_db or 0.0, done.counts["frames_decoded"], in_front=span[3]
            )
        return found

    def _span_of(self, number: int) -> ClipSpan:
        job = self.folder.jobs.read_job(number)
        assert isinstance(job, EncodeClipJob)
        return job.span


def holds(folder: JobFolder, path: Path, content: FinishedFile, *, only_size: bool = False) -> bool:
    """Return whether a file holds what a record says; waits a while for a file system to show it."""
    until, pause_s = time.monotonic() + _STALE_S, 0.1
    while True:
        try:
            if path.stat().st_size == content.size_bytes and (only_size or checksum_file(path) == content):
                return True
        except FileNotFoundError:
            pass
        if time.monotonic() > until or not folder.stands:
            return False
        time.sleep(pause_s)
        pause_s *= 2


@contextmanager
def open_worker(folder: JobFolder, *, threads: int | None, memory: str | None) -> Iterator[Worker]:
    """Yield a worker that `with` closes."""
    worker = Worker(folder, threads=threads, memory=memory)
    try:
        yield worker
    finally:
        worker.close()


def carry_out_tasks(
    folder: JobFolder,
    own: Sequence[Task],
    *,
    threads: int | None = None,
    memory: str | None = None,
    on_done: Callable[[Task, Done], None] = lambda task, done: None,
) -> Outcome:
    """Carry out those of the tasks that are still to be done and whose needs are done.

    Nobody waits for others, or checks what it wrote itself: `waiting` counts the tasks that a later call has
    to carry out.

    Raises:
        JobsGone: if the folder is gone.
        OutputUnwritable: if it cannot be written.
    """
    outcome, given_up = Outcome(), set[int]()
    with open_worker(folder, threads=threads, memory=memory) as worker:
        while ready := _list_ready(own, first := first_records(folder.read_records()), given_up, worker.name):

            def carry_out(task: Task, known: Mapping[int, Done] = first) -> Done | None:
                done = worker.try_task(task, known)
                if done is not None:
                    on_done(task, done)
                return done

            found = worker.engine.workers().each(ready, carry_out)
            outcome.done += [done for done in found if done is not None]
            given_up |= {task.number for task, done in zip(ready, found, strict=True) if done is None}
    outcome.failed = sorted(worker.failed)
    outcome.waiting = sum(task.number not in first and task.number not in worker.failed for task in own)
    return outcome


def first_records(records: Records) -> dict[int, Done]:
    """Return the record by which each task counts as done: that of the first worker, by name."""
    return {number: done[0] for number, done in records.done.items()}


def _list_ready(own: Sequence[Task], done: Mapping[int, Done], given_up: set[int], worker: str) -> list[Task]:
    """Return the tasks that a worker can carry out now."""
    return [
        task
        for task in own
        if task.number not in done
        and task.number not in given_up
        and all(n in done for n in task.needs)
        and not (task.kind == CHECK and done[task.needs[0]].writer == worker)
    ]
