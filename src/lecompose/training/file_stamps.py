"""Files as they were when a dataset was opened: one that is another now has other rows, or other pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lecompose.errors import SourceBroken

Stamp: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Seen:
    """The stamp of each file by its path."""

    stamps: dict[str, Stamp]

    def refuse_changed(self, path: str) -> None:
        """Errors: SourceBroken for a file that is gone, or not the one that was seen."""
        now = _stamp(path)
        if now is None:
            raise SourceBroken("it is missing, and was there when it was opened", path=path)
        if now != self.stamps[path]:
            raise SourceBroken("it has changed since it was opened", hint="open the dataset again", path=path)


def seen(paths: Iterable[str]) -> Seen:
    """Files as they are now. Errors: SourceBroken with those that are missing."""
    found = {path: _stamp(path) for path in dict.fromkeys(paths)}
    missing = [path for path, stamp in found.items() if stamp is None]
    if missing:
        raise SourceBroken("files are missing", hint="lecompose check", parts=missing)
    return Seen({path: stamp for path, stamp in found.items() if stamp is not None})


def _stamp(path: str) -> Stamp | None:
    try:
        told = Path(path).stat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns
