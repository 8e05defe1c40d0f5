"""Commands whose jobs others carry out, the arena in which they are disturbed, and what is counted."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arena import Tree, tree

import lecompose
from recorder import record

# What a killed command may still have to do before it is given up for lost, and any other.
_LONGEST_S = 120.0
SMALL = {"codec": "h264", "cameras": ("front",), "size": (64, 48)}


@dataclass(frozen=True)
class Command:
    """A command, its output being `out` in the arena, and the files that it makes on threads."""

    name: str
    words: tuple[str, ...]
    expected: Tree


def without_lineage(found: Tree) -> Tree:
    """The files but for those that remember the command."""
    return {name: digest for name, digest in found.items() if not name.endswith("lineage.parquet")}


def make_commands(home: Path) -> list[Command]:
    """Record toys, and carry every command out on threads."""
    frames = (6, 5, 7, 4, 6, 8)
    for n, name in enumerate(("a", "b")):
        record(home / name, **SMALL, frames=frames, seed=n, frames_per_video_file=12)  # type: ignore[arg-type]
    a, b = str(home / "a"), str(home / "b")
    small = ("--no-concatenate-videos", "--data-mb", "0.002")
    said = {
        "merge": ("merge", a, b, *small),
        "rates": ("merge", a, b, "--fps", "15", *small),
        "split": ("split", a, "--into", "x=0.5", "--into", "y=0.5", *small),
        "filter": ("filter", a, "--where", "length > 5", *small),
    }
    found = []
    for name, words in said.items():
        out = home / f"threads-{name}"
        run([*words, "-o", str(out)])
        found.append(Command(name, words, without_lineage(tree(out))))
        assert found[-1].expected
    return found


def run(words: Sequence[str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "lecompose", *words, "--quiet"],
        check=True,
        env=environment(),
        timeout=_LONGEST_S,
    )


def environment(**more: str) -> dict[str, str]:
    source = str(Path(lecompose.__file__).parents[1])
    return os.environ | {"PYTHONPATH": source} | more


@dataclass
class Started:
    """A process of the command line, in a session of its own."""

    pid: int
    log: Path
    code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, minus the signal; None while it lives."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, longest_s: float = _LONGEST_S) -> int:
        """Return the exit code; a process that does not end is killed, and an error."""
        until = time.monotonic() + longest_s
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                self.send(signal.SIGKILL)
                raise TimeoutError(f"a process did not end: {self.said}")
            time.sleep(0.01)
        return code

    def send(self, which: signal.Signals) -> bool:
        """Return whether the process was there to get the signal."""
        if self.poll() is not None:
            return False
        os.kill(self.pid, which)
        return True

    def kill_after(self, seconds: float) -> bool:
        """Kill it in so many seconds; return whether it was there then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.poll() is not None:
                return False
            time.sleep(0.005)
        killed = self.send(signal.SIGKILL)
        return self.wait() == -signal.SIGKILL and killed

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@dataclass
class Arena:
    """A folder in which one command is disturbed."""

    home: Path
    command: Command
    draw: random.Random
    counts: Counter[str]
    problems: list[str] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.home / "out"

    @property
    def folder(self) -> Path:
        """The folder of the jobs."""
        return self.home / ".out.lecompose"

    @property
    def words(self) -> list[str]:
        return [*self.command.words, "-o", str(self.out), "--quiet"]

    def prepare(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)

    def start(self, *words: str, before: Callable[[], None] = lambda: None) -> Started:
        """Start a command in a forked process, whose Python has everything loaded."""
        log = self.home.with_name(f"{self.home.name}-{len(self.started)}.log")
        pid = os.fork()
        if pid == 0:
            _be_child(words, log, before)
        self.started.append(Started(pid, log))
        return self.started[-1]

    def spawn(self, *words: str, **more: str) -> Started:
        """Start a command in a new process, with these variables in its environment."""
        log = self.home.with_name(f"{self.home.name}-{len(self.started)}.log")
        output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "lecompose", *words],
            environment(**more),
            file_actions=[output, (os.POSIX_SPAWN_DUP2, 1, 2)],
            setsid=True,
        )
        self.started.append(Started(pid, log))
        return self.started[-1]

    def give(self, *words: str) -> int:
        """Carry a command out undisturbed, and return its exit code."""
        return self.start(*words).wait()

    def work(self, shards: int = 2, rounds: int = 3) -> None:
        """Carry all jobs out, undisturbed."""
        for _ in range(rounds):
            some = [
                self.start("jobs", "run", str(self.folder), "--shard", f"{n}/{shards}", "-q")
                for n in range(1, shards + 1)
            ]
            for process in some:
                process.wait()

    def kill(self, process: Started, most_s: float) -> None:
        """Kill a process at any moment of what it takes."""
        if process.kill_after(self.draw.uniform(0, most_s)):
            self.counts["kills"] += 1

    def judge(self) -> None:
        """Count what is lost, wrong or left over; everything is to be as threads make it."""
        for process in self.started:
            try:
                process.wait()
            except TimeoutError as error:
                self._complain("hung", str(error))
            if "Traceback" in process.said:
                self._complain("tracebacks", process.said[-2000:])
        found = without_lineage(tree(self.out))
        if not found:
            self._complain("lost", "no output: " + " | ".join(p.said[-300:] for p in self.started[-3:]))
        elif found != self.command.expected:
            names = {*found.items()} ^ {*self.command.expected.items()}
            self._complain("wrong", f"differ: {sorted(name for name, _ in names)[:6]}")
        beside = [path.name for path in self.home.iterdir() if path != self.out]
        if left := [
            name for name in beside if ".lecompose-finish-" not in name
        ]:  # what SLURM's last job says
            inside = [str(p.relative_to(self.home)) for p in self.home.glob(f"{left[0]}/**/*")][:8]
            self._complain("left over", f"{left} {inside}")
        for process in self.started:
            process.log.unlink(missing_ok=True)

    def _complain(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        self.problems.append(f"{kind} ({self.command.name}): {what}")


def _be_child(words: Sequence[str], log: Path, before: Callable[[], None]) -> None:
    code = 99
    try:
        os.setsid()
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        from lecompose.cli import main

        before()
        try:
            main(list(words), standalone_mode=False)
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
