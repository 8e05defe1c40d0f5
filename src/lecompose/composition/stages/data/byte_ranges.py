"""Bytes of a source file and bytes of our own, put one behind the other into a file that is written.

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
_MOST_PIECES = 1000

Piece: TypeAlias = bytes | tuple[int, int]
"""Bytes, or where the source has them: from where on, and how many."""


class Joiner:
    """Puts pieces behind what `out` holds; those of a source are of the one that is open just then.

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
        """The file that pieces are taken from meanwhile. Errors: SourceBroken where it cannot be opened."""
        self.path = path
        with self._reading():
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield
        finally:
            os.close(self._file)

    def read_at(self, size: int, start: int) -> bytes:
        """So many bytes of the source; fewer at its end. Errors: SourceBroken."""
        with self._reading():
            return os.pread(self._file, size, start)

    def put(self, pieces: Iterable[Piece]) -> None:
        """Write the pieces. Errors: SourceBroken where the source is shorter; OSError for the output."""
        for near in _near(pieces):
            places = [piece for piece in near if not isinstance(piece, bytes)]
            first = places[0][0] if places else 0
            view = self._window(first, sum(places[-1])) if places else self._buffer[:0]
            _write(self._out, [p if isinstance(p, bytes) else view[p[0] - first :][: p[1]] for p in near])
            moved = sum(size for _, size in places)
            self.copied += moved
            self._on_bytes(moved)

    def _window(self, start: int, end: int) -> memoryview:
        """The bytes of the source between two places, at most a window of them, until the next is read."""
        view = self._buffer[: end - start]
        done = 0
        while done < len(view):
            with self._reading():
                got = os.preadv(self._file, [view[done:]], start + done)
            if got == 0:
                raise self._broken(f"{len(view) - done} bytes at {start + done} are gone")
            done += got
        return view

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

    def _broken(self, reason: str) -> SourceBroken:
        return SourceBroken("data changed while it was read", reason=reason, path=self.path)


def _near(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The pieces in their order, those together that one window of the source holds."""
    held: list[Piece] = []
    first = last = -1
    for piece in _small(pieces):
        if not isinstance(piece, bytes):
            start, end = piece[0], piece[0] + piece[1]
            if first >= 0 and (start < last or end - first > _WINDOW_BYTES):
                yield held
                held, first = [], -1
            first, last = (start if first < 0 else first), end
        held.append(piece)
        if len(held) == _MOST_PIECES:
            yield held
            held, first = [], -1
    if held:
        yield held


def _small(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same, cut where a piece is larger than a window, and joined where two are one behind the other."""
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


def _write(out: FileIO, pieces: Iterable[bytes | memoryview]) -> None:
    views = [memoryview(piece) for piece in pieces if len(piece)]
    left = sum(len(view) for view in views)
    while left:
        done = os.writev(out.fileno(), views)
        left -= done
        while left and done >= len(views[0]):
            done -= len(views.pop(0))
        views[0] = views[0][done:]
