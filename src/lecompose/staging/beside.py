"""Jobs that a run does not wait for, until it does."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event


class Beside:
    """Does things with files on `threads` of its own, while the stages go on; safe from any thread.

    `stopped` is set when nobody wants any more what is under way.
    """

    def __init__(self, threads: int) -> None:
        self.stopped = Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lecompose-beside")
        self._jobs: list[Future[None]] = []

    def begin(self, do: Callable[[Path], None], paths: Iterable[Path]) -> None:
        """Do something with each path, beside whatever comes next."""
        self._jobs.extend([self._pool.submit(do, path) for path in paths])

    def wait(self) -> None:
        """Return when all is done. Errors: the first that any job raises."""
        for job in self._jobs:
            job.result()

    def stop(self) -> None:
        """Leave undone what has not begun, and return when nothing is under way."""
        self.stopped.set()
        self._pool.shutdown(cancel_futures=True)
