"""Work beside other work: jobs on threads, what is read ahead, what is done in the background."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from queue import Full, Queue
from threading import Event, Lock
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
# How soon a thread that waits sees that nobody wants what it does.
_PATIENCE_S = 0.05


class Progress(Protocol):
    """Learns how far a run is. Units: bytes."""

    def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None:
        """A stage starts that will move about so many bytes, of so many episodes."""

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        """So many bytes and episodes more are done."""


def warn(progress: Progress, text: str) -> None:
    """Tell what should be known before anything is written, if whoever watches has a `warn`."""
    tell = getattr(progress, "warn", None)
    if tell is not None:
        tell(text)


class Silent:
    """The progress that tells nobody."""

    def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None: ...

    def advance(self, size_bytes: int, episodes: int = 0) -> None: ...


class Stopped(Exception):
    """A job was told to stop because another one failed; `Workers.each` never raises it."""


@dataclass(frozen=True)
class Workers:
    """Jobs on threads, and the progress that they report to.

    `threads` is how many run at once, `memory_bytes` what they may hold together, `scratch` a folder for what
    they write and drop. `interrupt` ends at once the queries that jobs wait for.
    """

    threads: int
    memory_bytes: int
    scratch: Path
    interrupt: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=Silent)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _stopped: Event = field(default_factory=Event, repr=False)

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        """Report progress; safe from any thread.

        Raises:
            Stopped: where another job has failed.
        """
        if self._stopped.is_set():
            raise Stopped
        with self._lock:
            self.progress.advance(size_bytes, episodes)

    def each(self, items: Sequence[T], do: Callable[[T], R], *, threads: int | None = None) -> list[R]:
        """Return `do` of every item, in the order of the items; at most `threads` of them run at once.

        Raises:
            Exception: the first that any job raises. Jobs that have not begun never do; those under way stop
                at their next `advance`, and their queries at once, so that an error or Ctrl-C does not wait
                for gigabytes.
        """
        with ThreadPoolExecutor(max(1, min(threads or self.threads, len(items)))) as pool:
            jobs = [pool.submit(do, item) for item in items]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
                failed = [error for job in jobs if job.done() and (error := job.exception())]
                for error in failed:
                    raise error
                return [job.result() for job in jobs]
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                while under_way := [job for job in jobs if not job.done()]:
                    # Again and again: a job may have been between two queries.
                    self.interrupt()
                    wait(under_way, timeout=_PATIENCE_S)
                raise


def map_ahead(do: Callable[[T], R], items: Iterable[T], *, threads: int) -> Iterator[R]:
    """Yield `do` of every item, in the order of the items; so many more are under way meanwhile.

    Raises:
        Exception: what `do` or `items` raise; what has not begun by then never does.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="lecompose-ahead") as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(do, item))
                if len(under_way) > threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for job in under_way:
                job.cancel()


class StandingThreads:
    """Threads that stay, for calls so short that starting threads would take as long."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lecompose-standing")

    def each(self, items: Iterable[T], do: Callable[[T], R]) -> list[R]:
        """Return `do` of every item, in the order of the items."""
        return list(self._pool.map(do, items))


class Prefetch(Generic[T]):
    """Goes through `items` on a thread of its own, at most `most` ahead of whoever iterates over this."""

    def __init__(self, items: Iterable[T], *, most: int) -> None:
        self._held: Queue[list[T]] = Queue(most)
        self._stopped = Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lecompose-prefetch")
        self._job = self._pool.submit(self._go, items)

    def __iter__(self) -> Iterator[T]:
        """Yield the items in their order.

        Raises:
            Exception: what they raise.
        """
        while found := self._held.get():
            yield from found
        self._job.result()

    def stop(self) -> None:
        """Return when nothing is under way; what nobody has asked for is gone."""
        self._stopped.set()
        self._pool.shutdown()

    def _go(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                if not self._put([item]):
                    return
        finally:
            self._put([])

    def _put(self, item: list[T]) -> bool:
        """Return whether somebody will still ask for it."""
        while not self._stopped.is_set():
            try:
                self._held.put(item, timeout=_PATIENCE_S)
                return True
            except Full:
                continue
        return False


class BackgroundTasks:
    """Does things with files on `threads` of its own while the caller goes on; safe from any thread.

    `stopped` is set when nobody wants any more what is under way.
    """

    def __init__(self, threads: int) -> None:
        self.stopped = Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lecompose-background")
        self._jobs: list[Future[None]] = []

    def begin(self, do: Callable[[Path], None], paths: Iterable[Path]) -> None:
        """Do something with each path, beside whatever comes next."""
        self._jobs.extend([self._pool.submit(do, path) for path in paths])

    def wait(self) -> None:
        """Return when all is done.

        Raises:
            Exception: the first that any job raises.
        """
        for job in self._jobs:
            job.result()

    def stop(self) -> None:
        """Leave undone what has not begun, and return when nothing is under way."""
        self.stopped.set()
        self._pool.shutdown(cancel_futures=True)
