"""ISO base media boxes: walk them in bytes, find them in a file, build them.

Source: ISO/IEC 14496-12 §4.2 (object structure) and §4.3 (full boxes).
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Bytes: TypeAlias = bytes | memoryview

MOVIE_BOXES = frozenset(
    (
        b"ftyp",
        b"moov",
        b"mdat",
        b"free",
        b"skip",
        b"wide",
        b"uuid",
        b"styp",
        b"sidx",
        b"pnot",
        b"moof",
        b"prfl",
    )
)


# No recorder writes a tenth of these; whoever claims more wants memory, not frames.
MOST_BOXES = 100_000


class BoxError(ValueError):
    """The bytes are not a well-formed box; the message names the box, not the file."""


@dataclass(frozen=True)
class Span:
    """Where one top-level box lies in its file. Units: bytes from the start of the file."""

    kind: bytes
    start: int
    body: int
    end: int


def read_header(head: Bytes, start: int, end: int) -> Span:
    """Return the span of the box at `start`; `head` holds its first 16 bytes, or all there are.

    A box may claim to end behind `end`.

    Raises:
        BoxError: if the size cannot hold its own header.
    """
    if len(head) < 8:
        raise BoxError(f"{len(head)} stray bytes at {start} where a box should stand")
    size, kind = struct.unpack_from(">I4s", head)
    body = start + 8
    if size == 1:
        if len(head) < 16:
            raise BoxError(f"box {printable_kind(kind)} at {start} is cut in its header")
        (size,) = struct.unpack_from(">Q", head, 8)
        body = start + 16
    if size == 0:
        return Span(kind, start, body, end)
    if start + size < body:
        raise BoxError(f"box {printable_kind(kind)} at {start} claims {size} bytes")
    return Span(kind, start, body, start + size)


def printable_kind(kind: bytes) -> str:
    """Return a box type as text that can be printed."""
    return kind.decode("ascii") if kind.isascii() and kind.decode("ascii").isprintable() else kind.hex()


def walk_file(fd: int, size_bytes: int) -> Iterator[Span]:
    """Yield the boxes of a file in order; only their headers are read.

    The last box may claim to end behind `size_bytes`: then the file is cut.

    Raises:
        BoxError: as `read_header`, and if there are more boxes than any recorder writes.
    """
    at = count = 0
    while at < size_bytes:
        if (count := count + 1) > MOST_BOXES:
            raise BoxError(f"more than {MOST_BOXES:,} boxes")
        span = read_header(os.pread(fd, 16, at), at, size_bytes)
        yield span
        at = span.end


def walk_children(body: Bytes, start: int = 0) -> Iterator[tuple[bytes, memoryview]]:
    """Yield type and body of each box in `body`, from byte `start` on.

    Fewer than 8 trailing bytes are QuickTime's terminator.

    Raises:
        BoxError: if a box does not fit, or there are too many.
    """
    view = memoryview(body)
    end = len(view)
    count = 0
    while end - start >= 8:
        if (count := count + 1) > MOST_BOXES:
            raise BoxError(f"more than {MOST_BOXES:,} boxes in one")
        size, kind = struct.unpack_from(">I4s", view, start)
        head = 8
        if size < 8:
            span = read_header(view[start : start + 16], start, end)
            size, head = span.end - start, span.body - start
        if size > end - start:
            raise BoxError(f"box {printable_kind(kind)} claims {size} bytes, {end - start} left")
        yield kind, view[start + head : start + size]
        start += size


def find(body: Bytes, *path: bytes) -> memoryview | None:
    """Return the body of the first box at the end of `path` (types from the outside in), or None."""
    view: memoryview | None = memoryview(body)
    for kind in path:
        view = (
            next((inner for found, inner in walk_children(view) if found == kind), None)
            if view is not None
            else None
        )
    return view


def require(body: Bytes, *path: bytes) -> memoryview:
    """Return the body of the first box at the end of `path`. Raises BoxError if it is missing."""
    found = find(body, *path)
    if found is None:
        raise BoxError(f"box {'/'.join(printable_kind(kind) for kind in path)} is missing")
    return found


def build_box(kind: bytes, *parts: Bytes) -> bytes:
    """Return one box around the `parts`. Raises BoxError past 4 GiB (only mdat is ever that large)."""
    size = 8 + sum(len(part) for part in parts)
    if size >= 1 << 32:
        raise BoxError(f"box {printable_kind(kind)} would need {size} bytes")
    return b"".join((struct.pack(">I4s", size, kind), *parts))


def build_full_box(kind: bytes, version: int, flags: int, *parts: Bytes) -> bytes:
    """Return one full box: version and flags before the `parts`."""
    return build_box(kind, struct.pack(">I", version << 24 | flags), *parts)
