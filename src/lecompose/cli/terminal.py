"""Text and JSON as a terminal may be sent them, and the signals that its user may send."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lecompose.errors import OutputUnwritable


def printable(text: str, *, lines: bool = False) -> str:
    """`text` without control characters, for names must not drive the terminal; `lines`: but for breaks."""
    spelled = text.replace("\t", "    ") if lines else text.replace("\n", "\\n").replace("\t", "\\t")
    return "".join(
        c if c.isprintable() or (lines and c == "\n") else "\N{REPLACEMENT CHARACTER}" for c in spelled
    )


def print_json(value: dict[str, Any]) -> None:
    """Print a result for programs."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    return f"{seconds / 3600:.2f} hours" if seconds >= 360 else f"{seconds:.1f} seconds"


def size(count: int) -> str:
    """Bytes as people read them, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


_UNHEARD = 128 + 13  # what a shell tells of a tool that SIGPIPE ended


@contextmanager
def exit_on_broken_pipe() -> Iterator[None]:
    """Where nobody reads on, as `head` does after a line, the process ends without a word.

    A full disk below stdout ends it with a message: what was printed is not all there.
    """
    if sys.stdout is None:  # closed by whoever started the process
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(_UNHEARD)
    except OSError as error:
        if error.filename is not None:
            raise
        _forget_stdout()
        sys.stderr.write(f"error: stdout cannot be written: {error.strerror}\n")
        sys.exit(OutputUnwritable.exit_code)


def _forget_stdout() -> None:
    """Let what has not been read or written yet go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems and containers send it, handled as Ctrl-C is."""


@contextmanager
def unwind_on_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C meanwhile, so that nothing half-written stays behind."""

    def stop(number: int, frame: Any) -> None:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: signals are not ours to handle
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
