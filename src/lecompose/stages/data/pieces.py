"""Bytes of a source file and bytes of our own, put one behind the other into a file that is written.

What lies near in the source is read at once, into a buffer that is used again: fresh memory costs more than
the copy.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from lecompose.errors import SourceBroken

_WINDOW_BYTES = 2**22
# The system writes at most 1,024 at once.
_MOST_PIECES = 1000

Piece: TypeAlias = bytes | tuple[int, int]
"""Bytes, or where the source has them: from where on, and how many."""


class Source:
    """A source file, open; a window of it is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._buffer = memoryview(bytearray(_WINDOW_BYTES))

    def __enter__(self) -> "Source":
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        os.close(self._file)

    def read_at(self, size: int, start: int) -> bytes:
        """So many bytes; fewer at the end of the file. Errors: SourceBroken."""
        try:
            return os.pread(self._file, size, start)
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

    def window(self, start: int, end: int) -> memoryview:
        """The bytes between two places, at most a window of them, until the next is asked for.

        Errors: SourceBroken where the file has fewer.
        """
        view = self._buffer[: end - start]
        done = 0
        while done < len(view):
            try:
                got = os.preadv(self._file, [view[done:]], start + done)
            except OSError as error:
                raise self._broken(error.strerror or str(error)) from error
            if got == 0:
                raise self._broken(f"{len(view) - done} bytes at {start + done} are gone")
            done += got
        return view

    def _broken(self, reason: str) -> SourceBroken:
        return SourceBroken(f"data changed while it was read: {reason}. ({self.path})")


def put(
    out: FileIO,
    pieces: Iterable[Piece],
    source: Source | None = None,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> int:
    """The bytes of `source` among those that were written behind what `out` holds.

    Errors: SourceBroken where the source is shorter; OSError for the output.
    """
    copied = 0
    for near in _near(pieces):
        places = [piece for piece in near if not isinstance(piece, bytes)]
        if source is None or not places:
            _write(out, [memoryview(piece) for piece in near if isinstance(piece, bytes)])
            continue
        first = places[0][0]
        view = source.window(first, places[-1][0] + places[-1][1])
        _write(out, [memoryview(p) if isinstance(p, bytes) else view[p[0] - first :][: p[1]] for p in near])
        moved = sum(size for _, size in places)
        on_bytes(moved)
        copied += moved
    return copied


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


def _write(out: FileIO, views: list[memoryview]) -> None:
    left = sum(len(view) for view in views)
    while left:
        done = os.writev(out.fileno(), views)
        left -= done
        while left and done >= len(views[0]):
            done -= len(views.pop(0))
        views[0] = views[0][done:]
