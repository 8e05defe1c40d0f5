"""What tells whether a file is still the one that was there when the dataset was opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lecompose.errors import SourceBroken

Stamp: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class FileStamps:
    """The stamp of each file by its path."""

    stamps: dict[str, Stamp]

    def refuse_changed(self, path: str) -> None:
        """Raise SourceBroken if a file is missing, or is not the one that was stamped."""
        now = _stamp(path)
        if now is None:
            raise SourceBroken("it is missing, and was there when it was opened", path=path)
        if now != self.stamps[path]:
            raise SourceBroken("it has changed since it was opened", hint="open the dataset again", path=path)


def stamp_files(paths: Iterable[str]) -> FileStamps:
    """Return the stamps of files as they are now. Raises SourceBroken for those that are missing."""
    found = {path: _stamp(path) for path in dict.fromkeys(paths)}
    missing = [path for path, stamp in found.items() if stamp is None]
    if missing:
        raise SourceBroken("files are missing", hint="lecompose check", parts=missing)
    return FileStamps({path: stamp for path, stamp in found.items() if stamp is not None})


def _stamp(path: str) -> Stamp | None:
    try:
        told = Path(path).stat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns
