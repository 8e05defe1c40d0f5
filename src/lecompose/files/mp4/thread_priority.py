"""Keep encoders from taking the machine away from everybody else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OWN_THREADS = Path("/proc/self/task")


@contextmanager
def keep_thread_priority() -> Iterator[None]:
    """Keep the priority of all threads of this process, whatever opens an encoder here.

    SVT-AV1 makes its threads, and the one that opens it, real-time ones where it may, which root may: all
    other programs on the machine then wait for it (measured: at a tenth of their speed).
    """
    usual = _has_usual_priority()
    try:
        yield
    finally:
        if usual:
            _restore_priority()


def _has_usual_priority() -> bool:
    """Return whether the system has such priorities, and nobody has asked for one."""
    return _OWN_THREADS.is_dir() and os.sched_getscheduler(0) == os.SCHED_OTHER


def _restore_priority() -> None:
    for thread in _OWN_THREADS.iterdir():
        number = int(thread.name)
        with suppress(OSError):  # one that has ended meanwhile
            if os.sched_getscheduler(number) == os.SCHED_FIFO:
                os.sched_setscheduler(number, os.SCHED_OTHER, os.sched_param(0))
