"""A cache of bounded size that keeps what was used last."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Makes values by key and keeps those used last, up to `most` by `weight`, and at least one."""

    def __init__(self, make: Callable[[K], V], most: int, weight: Callable[[V], int] = lambda _: 1) -> None:
        self._make, self._most, self._weight = make, most, weight
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size = 0
        self._lock = RLock()

    def __getitem__(self, key: K) -> V:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
            value = self._make(key)
            weight = self._weight(value)
            self._held[key] = value, weight
            self._size += weight
            while self._size > self._most and len(self._held) > 1:
                self._size -= self._held.popitem(last=False)[1][1]
            return value
