"""What is done to jobs that bare processes carry out: `jobs plan`, `jobs run`, `jobs finish`."""

import os
import resource
import signal
import time
from pathlib import Path

from disturb import Arena

from lecompose.composition.runners.job_folder import open_job_folder

# What a command takes here, about; a moment in it is drawn.
PLAN_S, RUN_S, FINISH_S = 0.6, 0.9, 0.7


def _plan(arena: Arena) -> None:
    assert arena.give("jobs", "plan", *arena.words) == 0, arena.started[-1].said


def _finish(arena: Arena) -> None:
    """Finish, once or again, as a user does who sees that the first one was killed."""
    arena.give("jobs", "finish", str(arena.folder))
    if arena.folder.exists():  # killed at the very end: the next command tidies up
        arena.give(*arena.words)


def workers(arena: Arena) -> None:
    """Workers are killed, started again and killed, and others end the work."""
    _plan(arena)
    for _ in range(arena.draw.randint(1, 3)):
        pair = [arena.start("jobs", "run", str(arena.folder), "--shard", f"{n}/2", "-q") for n in (1, 2)]
        for process in pair:
            arena.kill(process, RUN_S)
    arena.work()
    _finish(arena)


def planner(arena: Arena) -> None:
    """Who plans is killed, and plans again."""
    arena.kill(arena.start("jobs", "plan", *arena.words), PLAN_S)
    _plan(arena)
    arena.work(shards=1)
    _finish(arena)


def finisher(arena: Arena) -> None:
    """Who finishes is killed, at any moment up to the tidying up."""
    _plan(arena)
    arena.work(shards=1)
    for _ in range(2):
        arena.kill(arena.start("jobs", "finish", str(arena.folder)), FINISH_S)
    _finish(arena)


def taken_over(arena: Arena) -> None:
    """The same command on threads takes over while workers are at work; it is killed, and given again."""
    _plan(arena)
    worker = arena.start("jobs", "run", str(arena.folder), "-q")
    time.sleep(arena.draw.uniform(0, RUN_S))
    arena.kill(arena.start(*arena.words), RUN_S + FINISH_S)
    arena.give(*arena.words)
    worker.wait()


def late(arena: Arena) -> None:
    """A worker is stopped, others do its work and finish, and it comes back."""
    _plan(arena)
    worker = arena.start("jobs", "run", str(arena.folder), "-q")
    time.sleep(arena.draw.uniform(0, RUN_S))
    worker.send(signal.SIGSTOP)
    arena.work()
    _finish(arena)
    worker.send(signal.SIGCONT)
    worker.wait()


def two_at_once(arena: Arena) -> None:
    """Two plan, two work on everything, two finish."""
    pair = [arena.start("jobs", "plan", *arena.words) for _ in range(2)]
    assert min(process.wait() for process in pair) == 0
    pair = [arena.start("jobs", "run", str(arena.folder), "-q") for _ in range(2)]
    for process in pair:
        process.wait()
    pair = [arena.start("jobs", "finish", str(arena.folder)) for _ in range(2)]
    for process in pair:
        process.wait()
    if arena.folder.exists():
        _finish(arena)


def full_disk(arena: Arena) -> None:
    """One worker may write no file as large as it needs; others can."""
    _plan(arena)
    most = arena.draw.choice((0, 300, 1500, 4000))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    arena.start("jobs", "run", str(arena.folder), "-q", before=limit).wait()
    arena.work()
    _finish(arena)


def _written(arena: Arena) -> list[Path]:
    home = arena.folder / "jobs/files"
    return sorted(path for path in home.rglob("*") if path.is_file() and "scratch" not in path.parts)


def stale(arena: Arena) -> None:
    """A file that a record tells of shows up seconds later."""
    _plan(arena)
    arena.work()
    path = arena.draw.choice(_written(arena))
    hidden = arena.home.with_name(f"{arena.home.name}-hidden")
    path.rename(hidden)
    finisher = arena.start("jobs", "finish", str(arena.folder))
    time.sleep(arena.draw.uniform(0.5, 4))
    if path.parent.is_dir() and not path.exists():
        hidden.rename(path)
    finisher.wait()
    hidden.unlink(missing_ok=True)
    if arena.folder.exists():
        arena.work()
        _finish(arena)


def spoilt(arena: Arena) -> None:
    """A file that a worker has written loses its end, or before others have checked it a byte is another."""
    _plan(arena)
    arena.work(rounds=(rounds := arena.draw.choice((1, 3))))
    path = arena.draw.choice(_written(arena))
    content = bytearray(path.read_bytes())
    if rounds > 1 or _is_checked(arena, path) or arena.draw.random() < 0.5:
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for _ in range(3):
        arena.give("jobs", "run", str(arena.folder), "-q")
        arena.give("jobs", "finish", str(arena.folder))
        if not arena.folder.exists():
            break


def _is_checked(arena: Arena, path: Path) -> bool:
    """Return whether another one than the writer has read a file again: it is taken at its word then."""
    folder = open_job_folder(arena.folder)
    name = path.relative_to(folder.path).as_posix()
    every = (done for each in folder.read_records().done.values() for done in each)
    return any(done.file == name and done.worker != done.writer for done in every)


def cancelled(arena: Arena) -> None:
    """Jobs are cancelled while workers are at work on them; then the command is given on threads."""
    _plan(arena)
    pair = [arena.start("jobs", "run", str(arena.folder), "--shard", f"{n}/2", "-q") for n in (1, 2)]
    time.sleep(arena.draw.uniform(0, RUN_S))
    arena.give("jobs", "cancel", str(arena.folder))
    for process in pair:
        process.wait()
    if os.listdir(arena.home):  # noqa: PTH208
        arena.problems.append(f"left by cancel: {sorted(map(str, arena.home.rglob('*')))[:6]}")
        arena.counts["left over"] += 1
    arena.give(*arena.words)


def signalled(arena: Arena) -> None:
    """A worker is told to end, by SIGTERM as a preempted one is, or by Ctrl-C; then others go on."""
    _plan(arena)
    which = arena.draw.choice((signal.SIGTERM, signal.SIGINT))
    worker = arena.start("jobs", "run", str(arena.folder), "-q")
    time.sleep(arena.draw.uniform(0.2, RUN_S))
    if worker.send(which) and worker.wait() not in (0, 130, 143):
        arena.problems.append(f"{which.name}: exit code {worker.code}: {worker.said}")
        arena.counts["wrong"] += 1
    arena.work()
    _finish(arena)


TRIALS = (
    workers,
    planner,
    finisher,
    finisher,
    taken_over,
    late,
    two_at_once,
    full_disk,
    stale,
    spoilt,
    cancelled,
    signalled,
)
