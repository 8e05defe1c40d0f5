"""Jobs as tasks of a Ray cluster: one task a job, each begun when those that it needs are done."""

import logging
import random
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.job_list import Task
from lecompose.composition.runners.records import Done, Records, WorkerJournal
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

    def can_try_elsewhere(self, bad_hosts: Collection[str]) -> bool:
        """Return False: what fails on a node is tried on another one at once."""
        return False

    def carry_out(self, folder: JobFolder, records: Records, on_done: Callable[[Task], None]) -> None:
        """Return when every task is carried out, or was given up; tell of each that is done.

        What has failed on a node is tried on another one, where there is one.
        """
        queue = _Queue(folder, first_records(records))
        remote = self._ray.remote(num_cpus=1, max_retries=TRIES)(_carry_out)
        under_way: dict[Any, Task] = {}
        lost: dict[int, int] = {}
        elsewhere: dict[int, Any] = {}
        journal = WorkerJournal(folder.results, folder.request.fingerprint)
        try:
            while True:
                while len(under_way) < _MOST_SUBMITTED and (task := queue.take()):
                    needed = {n: queue.done[n] for n in task.needs}
                    chosen = remote.options(**elsewhere[task.number]) if task.number in elsewhere else remote
                    under_way[chosen.remote(str(folder.path), journal.worker, task, needed)] = task
                if not under_way:
                    return
                [ref, *_], _ = self._ray.wait([*under_way], num_returns=1)
                task = under_way.pop(ref)
                try:
                    done, node = self._ray.get(ref)
                except self._ray.exceptions.RayError as error:  # its process died
                    lost[task.number] = lost.get(task.number, 0) + 1
                    journal.fail(task.number, error)
                    if lost[task.number] < TRIES:
                        queue.put_back(task)
                    continue
                if done is not None:
                    queue.finish(done)
                    on_done(task)
                elif node and task.number not in elsewhere and (other := self._choose_other(node)):
                    elsewhere[task.number] = other
                    queue.put_back(task)
        finally:
            for ref in under_way:
                self._ray.cancel(ref)
            journal.close()

    def _choose_other(self, node: str) -> dict[str, Any] | None:
        """Return the options by which a task runs on another node, if there is one."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        others = [found["NodeID"] for found in self._ray.nodes() if found["Alive"]]
        others = [found for found in others if found != node]
        if not others:
            return None
        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(random.choice(others), soft=True)}


class _Queue:
    """The tasks that are still to be done; each comes up once those that it needs are."""

    def __init__(self, folder: JobFolder, done: dict[int, Done]) -> None:
        self.done = done
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


def _carry_out(
    folder: str, driver: str, task: Task, needed: Mapping[int, Done]
) -> tuple[Done | None, str | None]:
    """Carry a task out in a process of the cluster; None if it is not done, which the journal says why.

    Return the node, too, if it failed there.
    """
    import ray

    worker = _worker(folder, driver)
    done = worker.try_task(task, needed)
    return done, ray.get_runtime_context().get_node_id() if task.number in worker.failed else None


@lru_cache(1)
def _worker(folder: str, driver: str) -> Worker:
    """Return the worker of this process; a new one for each `driver`, for it may be of another folder."""
    return Worker(JobFolder(Path(folder)), threads=1, memory=None)
