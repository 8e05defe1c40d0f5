"""A second name for a file, instead of a copy of it."""

import os
from pathlib import Path


def link_file(source: Path, out: Path) -> bool:
    """Give a file a second name, and return whether it has one now; else nothing is there.

    Where the file system cannot (another disk, too many names, somebody else's file), a copy has to do. So it
    has where `source` is a symbolic link: it leads to a file of others.

    Raises:
        FileNotFoundError: where there is no such file.
    """
    if source.is_symlink():
        return False
    try:
        os.link(source, out, follow_symlinks=False)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError:
        return False
    return True


def can_link(source: Path, folder: Path) -> bool:
    """Return whether a file could have a second name in `folder`, as far as one can say: it is one disk."""
    try:
        return source.stat().st_dev == folder.stat().st_dev
    except OSError:
        return False
