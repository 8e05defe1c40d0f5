"""Have the jobs of a run carried out by others, and take what they have written."""

from collections.abc import Callable, Collection
from contextlib import closing
from typing import Protocol

from lecompose.composition.context import Run
from lecompose.composition.machines import FINISH, RAY, Machines
from lecompose.composition.runners.collect import collect, refuse_unfinished
from lecompose.composition.runners.job_folder import JOBS, JobFolder
from lecompose.composition.runners.job_list import CHECK, Task
from lecompose.composition.runners.plan_jobs import plan_jobs
from lecompose.composition.runners.records import Records, name_host
from lecompose.composition.runners.slurm_arrays import SlurmArrays
from lecompose.composition.runners.worker import TRIES, carry_out_tasks


class Runner(Protocol):
    """Has tasks carried out by workers, which write down what they have done."""

    def carry_out(self, folder: JobFolder, records: Records, on_done: Callable[[Task], None]) -> None:
        """Return when every task is carried out, or was given up; tell of each that is done.

        `records` are what the workers have said so far.

        Raises:
            ComposeError: if there is nobody to carry them out.
        """

    def can_try_elsewhere(self, bad_hosts: Collection[str]) -> bool:
        """Return whether another call would try on other machines what has failed on these."""

    def close(self) -> None:
        """Let go of what carries them out."""


class FinishHere:
    """Carries out here what is left when all that needs nothing is done: files of clips that are encoded.

    What has failed on other machines only is tried here, too.
    """

    def __init__(self, threads: int, memory: str | None) -> None:
        self._threads, self._memory = threads, memory

    def close(self) -> None: ...

    def can_try_elsewhere(self, bad_hosts: Collection[str]) -> bool:
        return False

    def carry_out(self, folder: JobFolder, records: Records, on_done: Callable[[Task], None]) -> None:
        """Carry out the jobs whose needs are done; the checks are made when the files are taken."""
        tasks = [task for task in folder.jobs.tasks if task.kind != CHECK]
        own = [task for task in tasks if task.needs or _has_failed_elsewhere(records, task.number)]
        if own:
            carry_out_tasks(
                folder, own, threads=self._threads, memory=self._memory, on_done=lambda task, _: on_done(task)
            )


def choose_runner(run: Run, machines: Machines) -> Runner:
    """Return who carries jobs out."""
    if machines.runner == FINISH:
        return FinishHere(run.engine.threads, run.engine.memory_left)
    if machines.runner == RAY:
        from lecompose.composition.runners.ray_tasks import RayTasks  # Ray is an extra

        return RayTasks(machines.address)
    return SlurmArrays(machines.slurm)


def run_jobs(run: Run, machines: Machines, words: tuple[str, ...], fingerprint: str) -> None:
    """Have every job carried out, and take the files; what workers have done before stays done.

    Raises:
        ComposeError: those of jobs that failed however often they were tried.
        OutputUnwritable: if files are missing, or cannot be taken.
    """
    with closing(choose_runner(run, machines)) as runner:
        _run_jobs(run, runner, machines, words, fingerprint)


def _run_jobs(run: Run, runner: Runner, machines: Machines, words: tuple[str, ...], fingerprint: str) -> None:
    folder = plan_jobs(run.layout, run.staging, command=run.command, words=words, fingerprint=fingerprint)
    run.staging.keep()
    records = folder.read_records()
    for _ in range(1 if machines.runner == FINISH else TRIES):
        left = [task for task in folder.jobs.tasks if task.number not in records.done]
        run.progress.stage("jobs", sum(task.size_bytes for task in left))
        if left:
            runner.carry_out(folder, records, lambda task: run.progress.advance(task.size_bytes))
        missing, records = collect(run, folder)
        bad_hosts = {host for number in records.failed for host in records.list_failing_hosts(number)}
        if not missing or (bad_hosts and not runner.can_try_elsewhere(bad_hosts)):
            break
    refuse_unfinished(folder, missing, records)


def take_what_is_done(run: Run) -> None:
    """Take what workers have written of the same request, where jobs were planned before.

    Whatever becomes of this run, they are not its own, and stay until the outputs are in place.
    """
    folder = JobFolder(run.staging.folder / JOBS)
    if folder.stands:
        run.staging.keep()
        collect(run, folder)


def _has_failed_elsewhere(records: Records, number: int) -> bool:
    """Return whether a task has failed, and never on this machine."""
    hosts = records.list_failing_hosts(number)
    return bool(hosts) and name_host() not in hosts
