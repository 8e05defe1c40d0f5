"""The small texts that Git LFS leaves where a file has not been fetched."""

import stat
from pathlib import Path

from lecompose.errors import SourceBroken

POINTER = b"version https://git-lfs"
_POINTER_BYTES = 1024


def is_pointer(path: Path) -> bool:
    """Return whether Git LFS has left its small text in place of this file."""
    try:
        # A pipe would be waited for; what cannot be opened is told by whoever reads it.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size >= _POINTER_BYTES:
            return False
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except (OSError, ValueError):  # the latter for a name that no file can have
        return False


def refuse_pointer(path: Path) -> None:
    """Raises SourceBroken for a pointer of Git LFS."""
    if is_pointer(path):
        raise SourceBroken(f"{path.name} is a Git LFS pointer, not the file", hint="git lfs pull", path=path)
