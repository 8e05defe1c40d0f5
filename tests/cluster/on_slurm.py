"""What is done to jobs in arrays of a real SLURM on this machine, of four nodes."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from disturb import Arena, Started
from slurm_here import Cluster, start_slurm

_ON = ("--runner", "slurm", "--slurm", "tasks=4 mem=500")
_WAIT = (*_ON, "--wait")
# What a command takes here, about, and what a queue may take to become empty.
_RUN_S, _LONGEST_S = 12.0, 150.0
_clusters: list[Cluster] = []


@contextmanager
def start() -> Iterator[None]:
    with start_slurm(4) as cluster:
        _clusters.append(cluster)
        os.environ.update(cluster.environment)
        yield


def _list_running() -> list[str]:
    return _clusters[0].ask("squeue", "-h", "-t", "R", "-o", "%i").split()


def wait_until_empty() -> bool:
    """Return whether all jobs have ended in time; they are taken back where not."""
    until = time.monotonic() + _LONGEST_S
    while _clusters[0].ask("squeue", "-h").strip():
        if time.monotonic() > until:
            _clusters[0].ask("scancel", "--user=root")
            return False
        time.sleep(0.3)
    return True


def _wait_until_empty(arena: Arena) -> None:
    if not wait_until_empty():
        arena.problems.append("SLURM does not come to an end")
        arena.counts["hung"] += 1


def _begin(arena: Arena, *words: str) -> Started:
    # Logs of finishing jobs go where the command is given.
    return arena.start(*arena.words, *words, before=lambda: os.chdir(arena.home.parent))


def _complete(arena: Arena) -> None:
    """Give the command again, as often as a user would."""
    for _ in range(3):
        if arena.out.exists() and not arena.folder.exists():
            break
        _begin(arena, *_WAIT).wait()
    _wait_until_empty(arena)


def _disturb(arena: Arena, driver: Started, times: int, *, nodes: bool) -> None:
    """Kill tasks, or lose nodes, while the command waits."""
    for _ in range(times):
        until = time.monotonic() + arena.draw.uniform(0.2, 4.0)
        while time.monotonic() < until or (driver.poll() is None and not _list_running()):
            if driver.poll() is not None:
                return
            time.sleep(0.05)
        if nodes:
            arena.counts["kills"] += _clusters[0].lose_node(arena.draw.choice(_clusters[0].nodes))
        elif running := _list_running():
            _clusters[0].ask("scancel", "--signal=KILL", "--full", arena.draw.choice(running))
            arena.counts["kills"] += 1


def tasks(arena: Arena) -> None:
    """Tasks of arrays are killed while the command waits."""
    driver = _begin(arena, *_WAIT)
    _disturb(arena, driver, 3, nodes=False)
    driver.wait(_LONGEST_S)
    _complete(arena)


def nodes(arena: Arena) -> None:
    """Nodes are lost, and come back."""
    driver = _begin(arena, *_WAIT)
    _disturb(arena, driver, 2, nodes=True)
    driver.wait(_LONGEST_S)
    _complete(arena)


def drivers(arena: Arena) -> None:
    """The command that waits is killed, given again while its arrays go on, and killed again."""
    for _ in range(2):
        arena.kill(_begin(arena, *_WAIT), _RUN_S)
    _complete(arena)


def detached(arena: Arena) -> None:
    """Nobody waits; a task or the finishing job is killed. Whoever looks later gives the command again."""
    _begin(arena, *_ON).wait()
    time.sleep(arena.draw.uniform(0.5, _RUN_S))
    if running := _list_running():
        _clusters[0].ask("scancel", "--signal=KILL", "--full", arena.draw.choice(running))
        arena.counts["kills"] += 1
    _wait_until_empty(arena)
    _complete(arena)


def two_drivers(arena: Arena) -> None:
    """The same command twice: one is told who is at work; the other one is killed, or told to end."""
    pair = [_begin(arena, *_WAIT) for _ in range(2)]
    time.sleep(arena.draw.uniform(1.0, _RUN_S))
    for process in pair:
        if process.send(signal.SIGTERM) and process.wait() not in (0, 5, 143):
            arena.problems.append(f"exit code {process.code}: {process.said}")
            arena.counts["wrong"] += 1
    _complete(arena)


def cancelled(arena: Arena) -> None:
    """The jobs are cancelled while SLURM has them; then the command is given on threads."""
    _begin(arena, *_ON).wait()
    time.sleep(arena.draw.uniform(0, _RUN_S / 2))
    arena.give("jobs", "cancel", str(arena.folder))
    _wait_until_empty(arena)
    if not arena.out.exists():
        if left := sorted(path.name for path in arena.home.rglob("*")):
            arena.problems.append(f"left by cancel: {left[:6]}")
            arena.counts["left over"] += 1
        arena.give(*arena.words)


TRIALS = (tasks, nodes, drivers, tasks, detached, drivers, two_drivers, cancelled)
