"""Copy bytes from one file into another, by the cheapest way that both file systems allow."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from lecompose.errors import OutputUnwritable
from lecompose.files.mp4.errors import media_error

_STEP_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20
# The one side that these can come from is the output.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable_error(error: OSError, out: Path) -> OutputUnwritable:
    """Return the error for an output that the file system refuses."""
    return OutputUnwritable("cannot write the video", reason=error.strerror, path=out)


class FileCopier:
    """Appends byte ranges of source files to one output file and counts them.

    Every way moves at least one byte or says 0 at the end of the source; a way that the file systems
    refuse is not tried again for this output.
    """

    def __init__(self, out_fd: int, out: Path, on_bytes: Callable[[int], None] | None) -> None:
        self._out_fd = out_fd
        self._out = out
        self._on_bytes = on_bytes
        self._buffer: memoryview | None = None
        self._ways: list[Callable[[int, int, int], int]] = [
            way for call, way in ((_COPY, self._by_copy), (_SEND, self._by_sendfile)) if hasattr(os, call)
        ]

    def append(self, data: bytes) -> None:
        """Append `data` itself. Raises OutputUnwritable."""
        self._write(memoryview(data))
        self._count_moved(len(data))

    def copy_range(self, source_fd: int, source: Path, offset: int, size_bytes: int) -> None:
        """Append bytes [offset, offset + size_bytes) of a source.

        Raises:
            MediaError: if the source ends early or cannot be read.
            OutputUnwritable: if the output cannot be written.
        """
        end = offset + size_bytes
        while offset < end:
            moved = self._some(source_fd, source, offset, min(end - offset, _STEP_BYTES))
            if moved == 0:
                raise media_error(
                    f"truncated while being read: {end - offset} bytes at {offset} are gone", source
                )
            offset += moved
            self._count_moved(moved)

    def _count_moved(self, size_bytes: int) -> None:
        if self._on_bytes is not None:
            self._on_bytes(size_bytes)

    def _some(self, source_fd: int, source: Path, offset: int, limit: int) -> int:
        while self._ways:
            try:
                moved = self._ways[0](source_fd, offset, limit)
            except OSError as error:
                if error.errno in _FULL:
                    raise unwritable_error(error, self._out) from error
                moved = 0
            if moved:
                return moved
            # Refused, or a file system that answers 0 for want of support: a plain read tells which.
            self._ways.pop(0)
        return self._by_buffer(source_fd, source, offset, limit)

    def _by_copy(self, source_fd: int, offset: int, limit: int) -> int:
        return os.copy_file_range(source_fd, self._out_fd, limit, offset_src=offset)

    def _by_sendfile(self, source_fd: int, offset: int, limit: int) -> int:
        return os.sendfile(self._out_fd, source_fd, offset, limit)

    def _by_buffer(self, source_fd: int, source: Path, offset: int, limit: int) -> int:
        if self._buffer is None:
            # Once, for a fresh buffer a read costs three times as much in page faults.
            self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        view = self._buffer[: min(limit, _BUFFER_BYTES)]
        try:
            got = os.preadv(source_fd, [view], offset)
        except OSError as error:
            raise media_error(f"cannot be read: {error.strerror}", source) from error
        self._write(view[:got])
        return got

    def _write(self, view: memoryview) -> None:
        try:
            while view:
                view = view[os.write(self._out_fd, view) :]
        except OSError as error:
            raise unwritable_error(error, self._out) from error


_COPY = "copy_file_range"
_SEND = "sendfile"
