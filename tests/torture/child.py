"""Runs lecompose in a forked process, so that one Python is loaded once and killed hundreds of times."""

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Hook = Callable[[], Any]


@dataclass(frozen=True)
class Outcome:
    """How a process ended: its exit code, or minus the signal; what it said; how long it took."""

    code: int
    said: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


def forked(do: Callable[[], int], *, kill_after_s: float | None = None) -> Outcome:
    """The outcome of `do`, which gives an exit code, in a process of its own."""
    start = time.monotonic()
    heard, said = os.pipe()  # a file would be under the limits that are set on files
    pid = os.fork()
    if pid == 0:
        os.close(heard)
        _be_child(do, said)
    os.close(said)
    text = _listened(heard, pid, start, kill_after_s).decode(errors="replace")
    os.close(heard)
    _, status = os.waitpid(pid, 0)
    return Outcome(os.waitstatus_to_exitcode(status), text, time.monotonic() - start)


def lecompose(arguments: list[str], before: Hook = lambda: None) -> Callable[[], int]:
    """What `forked` takes: the command line, after `before` has laid its traps."""

    def run() -> int:
        from lecompose.cli import main

        before()
        try:
            main(arguments, standalone_mode=False)
        except SystemExit as left:
            return int(left.code or 0)
        return 0

    return run


def _be_child(do: Callable[[], int], said: int) -> None:
    code = 99
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        code = do()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _listened(heard: int, pid: int, start: float, kill_after_s: float | None) -> bytes:
    """All that a child says until it ends, or is killed."""
    text = b""
    while True:
        left = None if kill_after_s is None else max(0.0, start + kill_after_s - time.monotonic())
        if not select.select([heard], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            kill_after_s = None
            continue
        some = os.read(heard, 1 << 16)
        if not some:
            return text
        text += some


def loaded() -> None:
    """Load everything that a run imports, for children to inherit; starts no thread."""
    import lecompose.api.operations
    import lecompose.cli.show_report
    from lecompose.composition import execute

    assert execute.STAGES
    assert Path(lecompose.__file__).is_file()
