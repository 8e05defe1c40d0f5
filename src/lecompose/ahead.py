"""What is read while something else is done, and waits for whoever will ask."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Full, Queue
from threading import Event
from typing import Generic, TypeVar

T = TypeVar("T")
# How soon a thread that has nowhere to put what it has read sees that nobody wants it.
_PATIENCE_S = 0.05


class Ahead(Generic[T]):
    """Goes through `items` on a thread of its own, at most so many ahead of whoever goes through this."""

    def __init__(self, items: Iterable[T], *, most: int) -> None:
        self._held: Queue[list[T]] = Queue(most)
        self._stopped = Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lecompose-ahead")
        self._job = self._pool.submit(self._go, items)

    def __iter__(self) -> Iterator[T]:
        """The items in their order. Errors: what they raise."""
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
        """Whether there is still somebody who will ask for it."""
        while not self._stopped.is_set():
            try:
                self._held.put(item, timeout=_PATIENCE_S)
                return True
            except Full:
                continue
        return False
