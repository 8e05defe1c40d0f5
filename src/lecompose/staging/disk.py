"""Jobs for the disk, done while the processor does something else."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# File systems write many files that wait together at once.
_THREADS = 16


class Disk:
    """What is under way; nothing to begin with."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: list[Future[None]] = []

    def begin(self, do: Callable[[Path], None], paths: Iterable[Path]) -> None:
        """Do something with each path, beside whatever comes next."""
        self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="lecompose-disk")
        self._jobs += [self._pool.submit(do, path) for path in paths]

    def wait(self) -> None:
        """Return when all is done. Errors: the first that any job raises."""
        for job in self._jobs:
            job.result()

    def stop(self) -> None:
        """Leave undone what has not begun, and return when nothing is under way."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
