"""How far the jobs of a folder are, from what their workers say."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.job_list import Task
from lecompose.composition.runners.records import Records

# A job that takes so many times what others of its kind and size took is a straggler; never before so long.
_SLOW, _LEAST_S = 3.0, 30.0


@dataclass(frozen=True)
class KindOfJobs:
    """The jobs of one kind. Units: bytes that they read."""

    kind: str
    jobs: int
    done: int
    size_bytes: int
    done_bytes: int


@dataclass(frozen=True)
class SlowJob:
    """A job that takes long, or whose worker is gone. Units: seconds since it was begun."""

    title: str
    worker: str
    seconds: float


@dataclass(frozen=True)
class FailedJob:
    """A job that failed, how often it was tried, and what was said the last time."""

    title: str
    tries: int
    error: str


@dataclass(frozen=True)
class JobStatus:
    """How far the jobs are.

    Units: `bytes_per_s` since the first job began, of what jobs read; `left_s` seconds until the last one is
    done at this pace, None before any is.
    """

    command: str
    jobs: int
    done: int
    under_way: int
    kinds: tuple[KindOfJobs, ...]
    bytes_per_s: float
    left_s: float | None
    slow: tuple[SlowJob, ...]
    failed: tuple[FailedJob, ...]
    workers: int
    scheduled: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the status as plain values, for JSON."""
        return asdict(self)


def describe_jobs(folder: JobFolder) -> JobStatus:
    """Return how far the jobs of a folder are.

    Raises:
        RequestError: if no jobs are planned there.
    """
    request, tasks, records = folder.request, folder.jobs.tasks, folder.read_records()
    done = [task for task in tasks if task.number in records.done]
    under_way = [t for t in tasks if t.number in records.begun and _is_under_way(records, t.number)]
    begun_s = min((b.at_s for each in records.begun.values() for b in each), default=time.time())
    end_s = max((d.at_s for each in records.done.values() for d in each), default=begun_s)
    if under_way:
        end_s = time.time()
    done_bytes = sum(task.size_bytes for task in done)
    pace = done_bytes / max(end_s - begun_s, 1e-3) if done else 0.0
    left = sum(task.size_bytes for task in tasks) - done_bytes
    return JobStatus(
        command=shlex.join(("lecompose", *request.words)),
        jobs=len(tasks),
        done=len(done),
        under_way=len(under_way),
        kinds=tuple(_count_kinds(tasks, records)),
        bytes_per_s=pace,
        left_s=left / pace if pace else None,
        slow=tuple(_find_slow(under_way, tasks, records)),
        failed=tuple(_list_failed(tasks, records)),
        workers=len({b.worker for each in records.begun.values() for b in each}),
        scheduled=request.scheduled,
    )


def _is_under_way(records: Records, number: int) -> bool:
    """Return whether a try has begun that has neither ended nor failed."""
    if number in records.done:
        return False
    begun, failed = records.begun[number][-1], records.failed.get(number, [])
    return not failed or failed[-1].at_s < begun.at_s


def _count_kinds(tasks: Sequence[Task], records: Records) -> list[KindOfJobs]:
    kinds = dict.fromkeys(task.kind for task in tasks)
    found = []
    for kind in kinds:
        of_kind = [task for task in tasks if task.kind == kind]
        done = [task for task in of_kind if task.number in records.done]
        sizes = [sum(task.size_bytes for task in some) for some in (of_kind, done)]
        found.append(KindOfJobs(kind, len(of_kind), len(done), *sizes))
    return found


def _find_slow(under_way: Sequence[Task], tasks: Sequence[Task], records: Records) -> list[SlowJob]:
    """Return the jobs under way that take far longer than others of their kind took for as many bytes."""
    paces: dict[str, list[float]] = {}
    for number, done in records.done.items():
        task = tasks[number]
        paces.setdefault(task.kind, []).append(done[0].seconds / max(1, task.size_bytes))
    now_s, found = time.time(), []
    for task in under_way:
        begun = records.begun[task.number][-1]
        taken_s = now_s - begun.at_s
        usual_s = median(paces[task.kind]) * task.size_bytes if task.kind in paces else taken_s
        if taken_s > max(_LEAST_S, _SLOW * usual_s):
            found.append(SlowJob(task.title, begun.worker, taken_s))
    return sorted(found, key=lambda slow: -slow.seconds)


def _list_failed(tasks: Sequence[Task], records: Records) -> list[FailedJob]:
    return [
        FailedJob(tasks[number].title, len(failed), str(failed[-1].error))
        for number, failed in sorted(records.failed.items())
        if number not in records.done
    ]
