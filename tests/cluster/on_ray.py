"""What is done to jobs on a Ray cluster on this machine, of four nodes."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from disturb import Arena, Started

_ON = ("--runner", "ray")
# What a command takes here, about, and what it may take.
_RUN_S, _LONGEST_S = 12.0, 180.0
_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
_clusters: list[Any] = []


@contextmanager
def start(nodes: int = 4) -> Iterator[str]:
    """Yield the address of a cluster; its first node is never killed, for it is Ray's own memory."""
    os.environ.setdefault("RAY_DISABLE_IMPORT_WARNING", "1")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=_NODE | {"include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**_NODE)
        _clusters.append(cluster)
        yield cluster.address
    finally:
        _clusters.clear()
        cluster.shutdown()


def _list_workers() -> list[int]:
    """Return the processes of this cluster that carry jobs out, or did."""
    cluster = _clusters[0]
    raylets = {
        process.process.pid
        for node in cluster.list_all_nodes()
        for process in node.all_processes.get("raylet", ())
    }
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                name = (folder / "cmdline").read_bytes()
            except (OSError, IndexError, ValueError):
                continue
            # A raylet dies with its agents: that is a node lost, and it may be the first one.
            if parent in raylets and name.startswith((b"ray::_carry_out", b"ray::IDLE")):
                found.append(int(folder.name))
    return found


def _begin(arena: Arena) -> Started:
    return arena.spawn(*arena.words, *_ON, RAY_ADDRESS=_clusters[0].address)


def _complete(arena: Arena) -> None:
    """Give the command again, as often as a user would."""
    for _ in range(3):
        if arena.out.exists() and not arena.folder.exists():
            break
        _begin(arena).wait(_LONGEST_S)


def _pause(arena: Arena, driver: Started, most_s: float) -> None:
    until = time.monotonic() + arena.draw.uniform(0, most_s)
    while driver.poll() is None and (time.monotonic() < until or not _list_workers()):
        time.sleep(0.05)


def workers(arena: Arena) -> None:
    """Processes that carry jobs out are killed."""
    driver = _begin(arena)
    for _ in range(4):
        _pause(arena, driver, 3.0)
        if driver.poll() is None and (found := _list_workers()):
            try:
                os.kill(arena.draw.choice(found), signal.SIGKILL)
                arena.counts["kills"] += 1
            except ProcessLookupError:
                pass
    driver.wait(_LONGEST_S)
    _complete(arena)


def nodes(arena: Arena) -> None:
    """A node is lost, and a new one comes."""
    driver, cluster = _begin(arena), _clusters[0]
    _pause(arena, driver, 4.0)
    if driver.poll() is None:
        cluster.remove_node(arena.draw.choice(sorted(cluster.worker_nodes, key=str)), allow_graceful=False)
        arena.counts["kills"] += 1
        cluster.add_node(**_NODE)
    driver.wait(_LONGEST_S)
    _complete(arena)


def drivers(arena: Arena) -> None:
    """The command is killed, given again, and killed again."""
    for _ in range(2):
        arena.kill(_begin(arena), _RUN_S)
    _complete(arena)


def two_drivers(arena: Arena) -> None:
    """The same command twice: one is told who is at work; the other is told to end, and given again."""
    pair = [_begin(arena) for _ in range(2)]
    time.sleep(arena.draw.uniform(1.0, _RUN_S))
    for process in pair:
        if process.send(signal.SIGINT) and process.wait() not in (0, 5, 130):
            arena.problems.append(f"exit code {process.code}: {process.said}")
            arena.counts["wrong"] += 1
    _complete(arena)


def late(arena: Arena) -> None:
    """A process that carries a job out is stopped, and comes back when another run has done all."""
    driver = _begin(arena)
    _pause(arena, driver, 3.0)
    found = _list_workers()
    stopped = arena.draw.choice(found) if found else None
    if stopped and driver.poll() is None:
        os.kill(stopped, signal.SIGSTOP)
    arena.kill(driver, 1.0)
    arena.give(*arena.words)
    if stopped:
        try:
            os.kill(stopped, signal.SIGCONT)
        except ProcessLookupError:
            return
        time.sleep(2.0)


TRIALS = (workers, nodes, workers, drivers, workers, two_drivers, workers, late)
