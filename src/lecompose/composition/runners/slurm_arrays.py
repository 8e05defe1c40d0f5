"""Jobs as arrays of a SLURM cluster: each task of an array carries out a share of the list."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from lecompose.composition.machines import SlurmOptions
from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.job_list import Task
from lecompose.composition.runners.records import Records
from lecompose.errors import OutputBusy, RequestError

# An array that nobody has limited has no more tasks than this.
_MOST_TASKS = 1000
# What of sbatch's options names nodes.
_CHOOSING = ("--nodelist=", "--nodefile=", "--exclude=")
_POLL_S = (0.5, 10.0)


class SlurmArrays:
    """The SLURM cluster whose commands are on this machine."""

    def __init__(self, options: SlurmOptions) -> None:
        """Find the commands. Raises RequestError where there are none."""
        if shutil.which("sbatch") is None:
            raise RequestError(
                "there is no sbatch here",
                hint="a machine from which SLURM takes jobs, or lecompose jobs plan",
            )
        self._options = options
        self._bad_hosts = frozenset[str]()

    def submit(self, folder: JobFolder, *, finish: bool) -> tuple[str, ...]:
        """Submit an array for each round of tasks, one after the other; to `finish`, a job that ends the run.

        Return the numbers of the jobs, which the folder notes too.

        Raises:
            OutputBusy: if it has them already.
            RequestError: what sbatch says where it refuses; it has none of the jobs then.
        """
        before = folder.request.scheduled
        if before and _is_queued(before):
            raise OutputBusy(
                f"SLURM has these jobs already: {', '.join(before)}",
                hint=f"lecompose jobs status {shlex.quote(str(folder.staging))}",
                path=folder.path,
            )
        numbers: list[str] = []
        try:
            self._submit(folder, numbers, finish=finish)
        except BaseException:
            cancel(numbers)
            raise
        return tuple(numbers)

    def _submit(self, folder: JobFolder, numbers: list[str], *, finish: bool) -> None:
        """Submit the jobs, and add the number of each as soon as SLURM has it."""
        (folder.path / "slurm").mkdir(exist_ok=True)
        run = _command("jobs", "run", str(folder.staging))
        for tasks in _count_rounds(folder):
            count = min(tasks, self._options.tasks or _MOST_TASKS, _largest_array())
            at_once = f"%{self._options.at_once}" if self._options.at_once else ""
            numbers.append(
                _submit(
                    f"{run} --shard $SLURM_ARRAY_TASK_ID/{count} {_resources(self._options)} --quiet",
                    f"--array=1-{count}{at_once}",
                    f"--output={folder.path / 'slurm' / '%A_%a.log'}",
                    *_after(numbers),
                    *self._options.arguments,
                    *([f"--exclude={','.join(sorted(self._bad_hosts))}"] if self._bad_hosts else []),
                )
            )
            self._note(folder, numbers)
        if finish:
            words = _command("jobs", "finish", str(folder.staging))
            numbers.append(
                _submit(
                    words,
                    f"--output={_finish_log(folder)}",
                    *_after(numbers),
                    *self._options.arguments,
                )
            )
            self._note(folder, numbers)

    def close(self) -> None: ...

    def can_try_elsewhere(self, bad_hosts: Collection[str]) -> bool:
        """Return whether SLURM has other nodes; the next arrays keep away from the bad ones.

        Whoever chooses the nodes has chosen.
        """
        if any(word.startswith(_CHOOSING) for word in self._options.arguments):
            return False
        partition = [word for word in self._options.arguments if word.startswith("--partition=")]
        words = ["sinfo", "--noheader", "--Node", "--states=idle,mixed,allocated", "--format=%N", *partition]
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        self._bad_hosts = self._bad_hosts.union(bad_hosts).intersection(_list_nodes())
        return bool({*done.stdout.split()} - self._bad_hosts) and self._bad_hosts.issuperset(bad_hosts)

    def _note(self, folder: JobFolder, numbers: Sequence[str]) -> None:
        folder.write_request(replace(folder.request, scheduled=tuple(numbers)))

    def carry_out(self, folder: JobFolder, records: Records, on_done: Callable[[Task], None]) -> None:
        """Return when the arrays have ended, maybe those of a run that was killed; tell of each task done.

        Raises:
            RequestError: what sbatch says where it refuses.
        """
        known = set(records.done)
        numbers = folder.request.scheduled
        if not (numbers and _is_queued(numbers)):
            numbers = self.submit(folder, finish=False)
        poll_s, most_s = _POLL_S
        try:
            while True:
                is_over = not _is_queued(numbers)
                for number in folder.read_records().done.keys() - known:
                    known.add(number)
                    on_done(folder.jobs.tasks[number])
                if is_over:
                    return
                time.sleep(poll_s)
                poll_s = min(most_s, poll_s * 1.3)
        except BaseException:
            cancel(numbers)
            raise


def cancel(numbers: Sequence[str]) -> None:
    """Take jobs back from the scheduler, where it is here and knows them."""
    if numbers and shutil.which("scancel"):
        subprocess.run(["scancel", *numbers], check=False, capture_output=True)


def _count_rounds(folder: JobFolder) -> list[int]:
    """Return how many tasks can begin at first, how many when these are done, and so on."""
    done = set(folder.read_records().done)
    depth: dict[int, int] = {}
    for task in folder.jobs.tasks:
        if task.number not in done:
            depth[task.number] = max((depth.get(n, -1) + 1 for n in task.needs), default=0)
    return [sum(d == level for d in depth.values()) for level in range(max(depth.values(), default=-1) + 1)]


def _finish_log(folder: JobFolder) -> Path:
    """Return where the finishing job says what it does: beside the output, which every node sees."""
    name = folder.staging.name.removeprefix(".").removesuffix(".lecompose")
    return folder.staging.with_name(f"{name}.lecompose-finish-%j.log")


def _list_nodes() -> set[str]:
    """Return the names of all nodes."""
    words = ["sinfo", "--noheader", "--Node", "--format=%N"]
    return {*subprocess.run(words, check=False, capture_output=True, text=True).stdout.split()}


def _command(*words: str) -> str:
    """Return this program's command as a shell line of another machine."""
    return shlex.join([sys.executable, "-m", "lecompose", *words])


def _resources(options: SlurmOptions) -> str:
    """Return how much of its node a task may use."""
    words = "--threads ${SLURM_CPUS_PER_TASK:-1}"
    found = re.fullmatch(r"(\d+)([KMGT]?)", options.memory or "")
    return f"{words} --memory {found[1]}{found[2] or 'M'}iB" if found and int(found[1]) else words


def _submit(command: str, *arguments: str) -> str:
    """Return the number of a new job."""
    words = ["sbatch", "--parsable", "--requeue", "--open-mode=append", "--job-name=lecompose"]
    done = subprocess.run(
        [*words, *arguments, "--wrap", command],
        check=False,
        capture_output=True,
        text=True,
        # What an array of somebody else's left in the environment would be taken for ours.
        env={name: value for name, value in os.environ.items() if not name.startswith("SLURM_ARRAY")},
    )
    if done.returncode:
        raise RequestError(
            "SLURM refuses the jobs", reason=done.stderr.strip(), hint="--slurm with what it needs"
        )
    return done.stdout.strip().partition(";")[0]


def _after(numbers: Sequence[str]) -> list[str]:
    """Return what lets a job begin once the last of others has ended, however it did."""
    return [f"--dependency=afterany:{numbers[-1]}"] if numbers else []


def _largest_array() -> int:
    """Return how many tasks an array may have."""
    done = subprocess.run(["scontrol", "show", "config"], check=False, capture_output=True, text=True)
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", done.stdout)
    return max(1, int(found[1]) - 1) if found else _MOST_TASKS


def _is_queued(numbers: Sequence[str]) -> bool:
    """Return whether the scheduler still has one of the jobs to begin or to end."""
    words = ["squeue", "--noheader", "--format=%i", f"--jobs={','.join(numbers)}"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        # Of jobs that have long ended it says this; a controller that does not answer now will later.
        return "Invalid job id" not in done.stderr
    return bool(done.stdout.strip())
