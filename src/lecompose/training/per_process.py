"""Values that each process makes for itself: open files, caches, threads."""

import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value made at its first use in each process, and never passed from one to another.

    Workers that are forked would share the position in an open file with each other.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: tuple[int, T] | None = None

    def get(self) -> T:
        """Return the value of this process."""
        made, process = self._made, os.getpid()
        if made is None or made[0] != process:
            self._made = made = (process, self._make())
        return made[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_made": None}
