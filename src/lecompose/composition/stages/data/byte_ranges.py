"""Write byte ranges of source files, and bytes of our own, one behind the other into a new file.

What lies near in the source is read at once, into a buffer that is used again: fresh memory costs more than
the copy.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TypeAlias

from lecompose.errors import SourceBroken

_WINDOW_BYTES = 2**22
# The system writes at most 1,024 at once.
_MOST_BUFFERS = 1000

BytesOrRange: TypeAlias = bytes | tuple[int, int]
"""Bytes, or where the source has them: from where on, and how many."""


class RangeWriter:
    """Writes pieces behind what `out` holds; ranges are those of the source that is open just then.

    `copied` counts the bytes of sources.
    """

    def __init__(self, out: FileIO, on_bytes: Callable[[int], None]) -> None:
        self._out, self._on_bytes = out, on_bytes
        self._buffer = memoryview(bytearray(_WINDOW_BYTES))
        self._file = -1
        self.path = Path()
        self.copied = 0

    @contextmanager
    def source(self, path: Path) -> Iterator[None]:
        """Copy from this file meanwhile. Raises SourceBroken if it cannot be opened."""
        self.path = path
        with self._guard_reading():
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield
        finally:
            os.close(self._file)

    def read_at(self, size: int, start: int) -> bytes:
        """Return so many bytes of the source, fewer at its end. Raises SourceBroken if it cannot be read."""
        with self._guard_reading():
            return os.pread(self._file, size, start)

    def write(self, pieces: Iterable[BytesOrRange]) -> None:
        """Write the pieces.

        Raises:
            SourceBroken: if the source is shorter.
            OSError: if the output cannot be written.
        """
        for near in _group_by_window(pieces):
            places = [piece for piece in near if not isinstance(piece, bytes)]
            first = places[0][0] if places else 0
            view = self._read_window(first, sum(places[-1])) if places else self._buffer[:0]
            _write_all(self._out, [p if isinstance(p, bytes) else view[p[0] - first :][: p[1]] for p in near])
            moved = sum(size for _, size in places)
            self.copied += moved
            self._on_bytes(moved)

    def _read_window(self, start: int, end: int) -> memoryview:
        """Return the bytes of the source between two places, at most a window; good until the next call."""
        view = self._buffer[: end - start]
        done = 0
        while done < len(view):
            with self._guard_reading():
                got = os.preadv(self._file, [view[done:]], start + done)
            if got == 0:
                raise self._make_error(f"{len(view) - done} bytes at {start + done} are gone")
            done += got
        return view

    @contextmanager
    def _guard_reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._make_error(error.strerror or str(error)) from error

    def _make_error(self, reason: str) -> SourceBroken:
        return SourceBroken("data changed while it was read", reason=reason, path=self.path)


def _group_by_window(pieces: Iterable[BytesOrRange]) -> Iterator[list[BytesOrRange]]:
    """Yield the pieces in their order, those together that one window of the source holds."""
    group: list[BytesOrRange] = []
    first = last = -1
    for piece in _fit_into_windows(pieces):
        if not isinstance(piece, bytes):
            start, end = piece[0], piece[0] + piece[1]
            if first >= 0 and (start < last or end - first > _WINDOW_BYTES):
                yield group
                group, first = [], -1
            first, last = (start if first < 0 else first), end
        group.append(piece)
        if len(group) == _MOST_BUFFERS:
            yield group
            group, first = [], -1
    if group:
        yield group


def _fit_into_windows(pieces: Iterable[BytesOrRange]) -> Iterator[BytesOrRange]:
    """Yield the pieces, cut where one is larger than a window, joined where they go on."""
    start = end = 0
    for piece in pieces:
        if not isinstance(piece, bytes) and piece[0] == end and end - start + piece[1] <= _WINDOW_BYTES:
            end += piece[1]
            continue
        if end > start:
            yield start, end - start
        start = end = 0
        if isinstance(piece, bytes):
            yield piece
            continue
        start, end = piece[0], piece[0] + piece[1]
        while end - start > _WINDOW_BYTES:
            yield start, _WINDOW_BYTES
            start += _WINDOW_BYTES
    if end > start:
        yield start, end - start


def _write_all(out: FileIO, pieces: Iterable[bytes | memoryview]) -> None:
    views = [memoryview(piece) for piece in pieces if len(piece)]
    left = sum(len(view) for view in views)
    while left:
        done = os.writev(out.fileno(), views)
        left -= done
        while left and done >= len(views[0]):
            done -= len(views.pop(0))
        views[0] = views[0][done:]
