"""The jobs of a run as a parquet file: every worker reads what there is, and the jobs that are its own.

A task is a job and its place in the list. Some need what others make: a video file needs its clips that are
encoded, and who checks a file or measures its pictures needs the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.jobs import Job, MeasurePicturesJob, decode_job, encode_job, name_kind
from lecompose.composition.layout import Layout
from lecompose.errors import RequestError

# What is in the list besides the jobs of the layout: look once more at a file that another has written.
CHECK = "check file"
MEASURE = "measure pictures"
# So many jobs stand in a row group: a worker reads those of its own.
_GROUP_ROWS = 64

_SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("kind", pa.string()),
        ("out_dataset", pa.string()),
        ("path", pa.string()),
        ("size_bytes", pa.int64()),
        ("needs", pa.list_(pa.int64())),
        ("job", pa.string()),
    ]
)
_FACTS = [name for name in _SCHEMA.names if name != "job"]


@dataclass(frozen=True, slots=True)
class Task:
    """One job of the list, without what it says.

    It writes the file `path` of an output, or looks at it, or writes a clip, which has none. `needs` are the
    tasks that have to be done before. Units: `size_bytes` those that it reads, about.
    """

    number: int
    kind: str
    out_dataset: str | None
    path: str | None
    size_bytes: int
    needs: tuple[int, ...]

    @property
    def writes_output(self) -> bool:
        """Whether it writes a file of an output."""
        return self.path is not None and self.kind not in (CHECK, MEASURE)

    @property
    def title(self) -> str:
        """The task as messages name it."""
        of = f" {self.out_dataset}/{self.path}" if self.path else ""
        return f"job {self.number} ({self.kind}{of})"


def write_job_list(layout: Layout, path: Path) -> list[Task]:
    """Write the jobs of a layout to a new file, and return them as tasks. Raises OSError if it cannot be."""
    jobs: list[Job] = [
        *layout.data_jobs,
        *layout.encode_jobs.values(),
        *layout.video_jobs,
        *layout.picture_jobs,
    ]
    tasks = list(_list_tasks(layout, jobs))
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for at in range(0, len(tasks), _GROUP_ROWS):
            some = tasks[at : at + _GROUP_ROWS]
            texts = [encode_job(job) for job in jobs[at : at + _GROUP_ROWS]]
            texts += [None] * (len(some) - len(texts))  # type: ignore[list-item]  # checks say nothing more
            columns = [[getattr(task, name) for task in some] for name in _FACTS] + [texts]
            arrays = [pa.array(column, f.type) for column, f in zip(columns, _SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
    return tasks


def _list_tasks(layout: Layout, jobs: Sequence[Job]) -> Iterator[Task]:
    clips = {span: len(layout.data_jobs) + n for n, span in enumerate(layout.encode_jobs)}
    written: dict[tuple[str, str], Task] = {}
    for number, job in enumerate(jobs):
        output, path = getattr(job, "out_dataset", None), getattr(job, "path", None)
        if isinstance(job, MeasurePicturesJob):
            path, needs = job.measured, {written[job.out_dataset, job.measured].number}
        else:
            needs = {clips[clip.span] for clip in getattr(job, "clips", ()) if clip.encode is not None}
        task = Task(number, name_kind(job), output, path, job.size_bytes, tuple(sorted(needs)))
        if task.writes_output:
            written[str(output), str(path)] = task
        yield task
    for number, task in enumerate(written.values(), len(jobs)):
        yield Task(number, CHECK, task.out_dataset, task.path, task.size_bytes, (task.number,))


class JobList:
    """A list of jobs in a file."""

    def __init__(self, path: Path) -> None:
        """Open the list. Raises RequestError if it cannot be read."""
        self._lock = Lock()
        self._held: tuple[int, list[str]] = (-1, [])
        try:
            self._parquet = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise RequestError("the list of jobs cannot be read", reason=error, path=path) from error

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, by their numbers."""
        rows = self._parquet.read(columns=_FACTS).to_pylist()
        return tuple(Task(**(row | {"needs": tuple(row["needs"])})) for row in rows)

    def read_job(self, number: int) -> Job:
        """Return the job of a number; safe from any thread."""
        group, row = divmod(number, _GROUP_ROWS)
        with self._lock:
            if self._held[0] != group:
                self._held = group, self._parquet.read_row_group(group, columns=["job"])["job"].to_pylist()
            text = self._held[1][row]
        return decode_job(text)


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of a list; the first is number 1."""

    number: int
    count: int

    def choose(self, tasks: Iterable[Task]) -> list[Task]:
        """Return the tasks of this share, the large ones first: all shares are of about the same size."""
        ordered = sorted(tasks, key=lambda task: (task.kind, -task.size_bytes, task.number))
        return [task for n, task in enumerate(ordered) if _deal(n, self.count) == self.number - 1]


def parse_shard(said: str) -> Shard:
    """Return the share that "3/64" names. Raises RequestError for what is none."""
    number, slash, count = said.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return Shard(int(number), int(count))
    if count.isdecimal() and int(count) > 0:
        raise RequestError(f'shard "{said}": one of 1/{int(count)} to {int(count)}/{int(count)} is needed')
    raise RequestError(f'shard "{said}": K/N is needed, the K-th of N shares: 1/64 to 64/64 for 64 of them')


def _deal(n: int, shares: int) -> int:
    """Return which share gets the n-th largest: there and back, so that nobody always gets the larger one."""
    turn, place = divmod(n, shares)
    return shares - 1 - place if turn % 2 else place
