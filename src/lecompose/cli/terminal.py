"""What the terminal and its user may send and be sent."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def printable(text: str, *, lines: bool = False) -> str:
    """`text` without control characters, for names must not drive the terminal; `lines`: but for breaks."""
    return "".join(
        c if c.isprintable() or (lines and c == "\n") else "\N{REPLACEMENT CHARACTER}" for c in text
    )


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems and containers send it, handled as Ctrl-C is."""


@contextmanager
def stoppable() -> Iterator[None]:
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
