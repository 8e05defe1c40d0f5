"""What a staging folder holds, a JSON value a line: the request, what is finished, what is to be moved."""

import errno
import json
import os
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

Record = dict[str, Any]

# A record that a power cut loses costs one file written again; an fsync a file could cost more.
_SYNC_EVERY_S = 1.0
_STEP_BYTES = 1 << 20


@dataclass(frozen=True)
class FinishedFile:
    """A file as it was when it was finished. What a power cut leaves of it is told by the checksum."""

    size_bytes: int
    crc32: int


def checksum_file(path: Path, stop: Event | None = None) -> FinishedFile:
    """Return the size and checksum of a file. Raises OSError, also when told to `stop`."""
    crc, size = 0, 0
    buffer = memoryview(bytearray(_STEP_BYTES))
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(buffer):
            crc, size = zlib.crc32(buffer[:got], crc), size + got
            if stop is not None and stop.is_set():
                raise InterruptedError(path)
    return FinishedFile(size, crc)


def read_journal(path: Path) -> list[Record]:
    """Return the records of a journal, up to one that was not written to its end; none if it is missing."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return []
    records: list[Record] = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records if records and "lecompose" in records[0] else []


@dataclass
class Journal:
    """A journal that is written to; safe from any thread."""

    path: Path
    _fd: int
    _synced_s: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, record: Record, *, sync: bool = False) -> None:
        """Append a record; with `sync` it is on disk afterwards. Raises OSError if it cannot be written."""
        line = json.dumps(record).encode() + b"\n"
        with self._lock:
            # One write: a process that is killed leaves a line or none.
            self._write(line)
            if sync or time.monotonic() - self._synced_s > _SYNC_EVERY_S:
                os.fsync(self._fd)
                self._synced_s = time.monotonic()

    def _write(self, line: bytes) -> None:
        """Append a line; half a one, as a disk that is full leaves it, would hide all that follow."""
        written = os.write(self._fd, line)
        if written != len(line):
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def close(self) -> None:
        os.close(self._fd)


def start_journal(path: Path, records: list[Record]) -> Journal:
    """Return a new journal in place of any before, which holds `records`. Raises OSError if that fails."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
    journal = Journal(path, fd)
    for record in records:
        journal.add(record)
    os.fsync(fd)
    fresh.rename(path)
    return journal
