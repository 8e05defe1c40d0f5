"""One run at a time to a destination. The kernel lets go of the lock when a process dies, however it does."""

import errno
import fcntl
import json
import os
import platform
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lecompose.errors import OutputBusy

# What file systems without locks say.
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL))


class NoLocks(OSError):
    """The file system has no locks."""


@dataclass(frozen=True)
class Lock:
    """A file that is held for as long as its descriptor is open."""

    path: Path
    fd: int

    @property
    def stands(self) -> bool:
        """Whether the file is still the one of that name: somebody may have removed the folder."""
        try:
            return os.path.samestat(os.fstat(self.fd), os.lstat(self.path))
        except OSError:
            return False

    def release(self) -> None:
        os.close(self.fd)


def acquire_lock(path: Path) -> Lock:
    """Lock the file `path`, whose folder is made if it is missing.

    Raises:
        OutputBusy: while another run holds it.
        NoLocks: if the file system has no locks.
        OSError: if the file cannot be made.
    """
    while True:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:  # a run that ended has just removed the folder
            continue
        lock = Lock(path, fd)
        try:
            _lock_file(lock)
        except BaseException:
            lock.release()
            raise
        if lock.stands:
            _sign(lock)
            return lock
        lock.release()


def _lock_file(lock: Lock) -> None:
    try:
        fcntl.flock(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise NoLocks(error.errno, "no locks here") from error
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        raise OutputBusy(
            f"another run is writing this output{_describe_holder(lock)}",
            hint="wait for it, or choose another -o",
            path=lock.path.parent,
        ) from error


def _describe_holder(lock: Lock) -> str:
    """Who holds it, as it signed; nothing in the moment before it has."""
    try:
        said = json.loads(os.pread(lock.fd, 4096, 0))
        return f": process {int(said['pid'])} on {said['host']}, since {said['started']}"
    except (ValueError, TypeError, KeyError):
        return ""


def _sign(lock: Lock) -> None:
    started = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    said = {"pid": os.getpid(), "host": platform.node(), "started": started}
    os.ftruncate(lock.fd, 0)
    os.pwrite(lock.fd, json.dumps(said).encode(), 0)
