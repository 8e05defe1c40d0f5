"""Jobs that a run does not wait for, until it does."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


class Beside:
    """Does things with files on `threads` of its own, while the stages go on."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: list[Future[None]] = []

    def begin(self, do: Callable[[Path], None], paths: Iterable[Path]) -> None:
        """Do something with each path, beside whatever comes next."""
        self._pool = self._pool or ThreadPoolExecutor(self._threads, thread_name_prefix="lecompose-beside")
        self._jobs += [self._pool.submit(do, path) for path in paths]

    def wait(self) -> None:
        """Return when all is done. Errors: the first that any job raises."""
        for job in self._jobs:
            job.result()

    def stop(self) -> None:
        """Leave undone what has not begun, and return when nothing is under way."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
