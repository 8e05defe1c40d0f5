"""Jobs as tasks of a Ray cluster: one task a job, each begun when those that it needs are done."""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.job_list import Task
from lecompose.composition.runners.records import Done, WorkerJournal
from lecompose.composition.runners.worker import TRIES, Worker, first_records
from lecompose.errors import RequestError

# So many tasks are handed to Ray at a time: it holds each in memory.
_MOST_SUBMITTED = 2_000


class RayTasks:
    """A Ray cluster: the one at an address, the one of this machine, or a new one on this machine."""

    def __init__(self, address: str | None) -> None:
        """Connect to the cluster.

        Raises:
            RequestError: if Ray is not installed, or there is nothing at the address.
        """
        try:
            import ray
        except ImportError as error:
            raise RequestError("Ray is not installed", hint="pip install 'lecompose[ray]'") from error
        self._ray, self._is_ours = ray, not ray.is_initialized()
        if self._is_ours:
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, OSError, RuntimeError, ValueError) as error:
                raise RequestError("cannot connect to Ray", reason=error, hint="ray status") from error

    def close(self) -> None:
        """Leave the cluster, unless the caller of this program had joined it before."""
        if self._is_ours:
            self._ray.shutdown()

    def carry_out(self, folder: JobFolder, on_done: Callable[[Task], None]) -> None:
        """Return when every task is carried out, or was given up; tell of each that is done."""
        queue = _Queue(folder)
        remote = self._ray.remote(num_cpus=1, max_retries=TRIES)(_carry_out)
        under_way: dict[Any, Task] = {}
        lost: dict[int, int] = {}
        journal = WorkerJournal(folder.results, folder.request.fingerprint)
        try:
            while True:
                while len(under_way) < _MOST_SUBMITTED and (task := queue.take()):
                    needed = {n: queue.done[n] for n in task.needs}
                    under_way[remote.remote(str(folder.path), journal.worker, task, needed)] = task
                if not under_way:
                    return
                [ref, *_], _ = self._ray.wait([*under_way], num_returns=1)
                task = under_way.pop(ref)
                try:
                    done = self._ray.get(ref)
                except self._ray.exceptions.RayError as error:  # its process died
                    lost[task.number] = lost.get(task.number, 0) + 1
                    journal.fail(task.number, error)
                    if lost[task.number] < TRIES:
                        queue.put_back(task)
                    continue
                if done is not None:
                    queue.finish(done)
                    on_done(task)
        finally:
            for ref in under_way:
                self._ray.cancel(ref)
            journal.close()


class _Queue:
    """The tasks that are still to be done; each comes up once those that it needs are."""

    def __init__(self, folder: JobFolder) -> None:
        self.done: dict[int, Done] = first_records(folder.read_records())
        left = [task for task in folder.jobs.tasks if task.number not in self.done]
        self._waits = {task.number: {n for n in task.needs if n not in self.done} for task in left}
        self._followers: dict[int, list[Task]] = {}
        for task in left:
            for number in self._waits[task.number]:
                self._followers.setdefault(number, []).append(task)
        ready = [task for task in left if not self._waits[task.number]]
        self._ready = sorted(ready, key=lambda task: task.size_bytes)

    def take(self) -> Task | None:
        """Return a task that may begin, the largest first."""
        return self._ready.pop() if self._ready else None

    def put_back(self, task: Task) -> None:
        """Let a task come up once more."""
        self._ready.append(task)

    def finish(self, done: Done) -> None:
        """Note what is done; tasks that waited for nothing else come up."""
        self.done[done.number] = done
        for task in self._followers.pop(done.number, ()):
            waits = self._waits[task.number]
            waits.discard(done.number)
            if not waits:
                self._ready.append(task)


def _carry_out(folder: str, driver: str, task: Task, needed: Mapping[int, Done]) -> Done | None:
    """Carry a task out in a process of the cluster; None if it failed, which the journal says."""
    return _worker(folder, driver).try_task(task, needed)


@lru_cache(1)
def _worker(folder: str, driver: str) -> Worker:
    """Return the worker of this process; a new one for each `driver`, for it may be of another folder."""
    return Worker(JobFolder(Path(folder)), threads=1, memory=None)
