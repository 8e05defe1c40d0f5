"""Renames that neither lose nor replace a folder, and the fsyncs that make them last."""

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lecompose.files.fsync import sync_folder

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
# What kernels and file systems without the flag say; a plain rename then tells whether it was that.
_UNSUPPORTED = frozenset((errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM))


@dataclass(frozen=True)
class Move:
    """A finished folder on its way to its destination; told apart by inode from the one that it replaces.

    `aside` is where the old one waits while no name can be exchanged; `replaces` is 0 where there is none.
    """

    staged: Path
    destination: Path
    aside: Path
    inode: int
    replaces: int = 0

    @property
    def done(self) -> bool:
        """Whether the new folder is at the destination."""
        return inode(self.destination) == self.inode

    @property
    def keeper(self) -> Path | None:
        """Where beside the destination the old folder is; None where it stands in its place, or is none."""
        if self.replaces and inode(self.staged) == self.replaces:
            return self.staged
        return self.aside if inode(self.aside) else None


def move_into_place(move: Move) -> None:
    """Put the new folder at its destination, in one step where the file system can exchange names.

    Where that fails, `move_back` undoes what was done.

    Raises:
        FileExistsError: if something else stands there.
        OSError: if it cannot be moved.
    """
    if not move.replaces:
        rename_if_free(move.staged, move.destination)
    elif not exchange(move.staged, move.destination):
        move.aside.parent.mkdir(exist_ok=True)
        rename_if_free(move.destination, move.aside)
        sync_folder(move.aside.parent)
        rename_if_free(move.staged, move.destination)
    sync_folder(move.destination.parent)
    sync_folder(move.staged.parent)


def move_back(move: Move) -> None:
    """Make it as it was before `move_into_place`, wherever that ended. Raises OSError if that fails too."""
    old, done = move.keeper, move.done
    if done and old == move.staged:
        _exchange_back(move)
    elif done:
        rename_if_free(move.destination, move.staged)
    if old is not None and old == move.aside:
        rename_if_free(move.aside, move.destination)
    if done or old:
        sync_folder(move.destination.parent)


def _exchange_back(move: Move) -> None:
    if not exchange(move.staged, move.destination):
        raise OSError(errno.ENOTSUP, "names cannot be exchanged any more", str(move.destination))


def inode(path: Path) -> int:
    """Return the inode of what stands at `path`, a link's own; 0 for nothing."""
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def rename_if_free(source: Path, target: Path) -> None:
    """Rename to a name that is free.

    Raises:
        FileExistsError: if it is not.
        OSError: if it cannot be renamed.
    """
    if _try_rename(source, target, _NOREPLACE):
        return
    if os.path.lexists(target):  # a plain rename replaces an empty folder in silence
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step. Return False where kernel or file system cannot."""
    return _try_rename(one, other, _EXCHANGE)


def _try_rename(source: Path, target: Path, flag: int) -> bool:
    call = _load_renameat2()
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


@cache
def _load_renameat2() -> Callable[..., int] | None:
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return call
