"""A temporary folder for as long as anything holds it."""

import os
import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp
from typing import Any


class ScratchFolder:
    """A temporary folder at `path`, removed when nothing in the process that made it holds this any more.

    A copy in another process, as loaders send to their workers, holds nothing.
    """

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="lecompose-"))
        self._end = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """Remove the folder now."""
        self._end()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_hold_nothing, ())


def _hold_nothing() -> None:
    return None


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)
