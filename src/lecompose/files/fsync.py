"""Wait until the disk holds a file, or the names in a folder."""

import errno
import os
from pathlib import Path

# What file systems that cannot sync a folder say; the others have nothing more to offer on these.
_NO_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES))


def sync_file(path: Path) -> None:
    """Return when the disk holds the file.

    Raises:
        OSError: if the disk refuses.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """Return when the disk holds the names in the folder, as far as its file system knows how to."""
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
