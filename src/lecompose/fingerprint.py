"""What tells a request from every other: a killed run is resumed only by one with the same fingerprint."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lecompose.errors import SourceBroken
from lecompose.layout import Layout
from lecompose.version import __version__


def fingerprint(layout: Layout, command: str, *, scratch: Path) -> str:
    """The digest of the command, the plan that it led to, and every file that is read.

    The plan is in it for SQL that does not give the same twice. A file is its path, size and time of change;
    metadata that was made anew in `scratch`, at another time by each run, is what it says.
    Errors: SourceBroken for a source's file that is gone.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(_framed(__version__) + _framed(command))
    for column in layout.engine.arrow("plan/all").columns:
        digest.update(_framed(repr(column.to_pylist())))
    for path in _metadata(layout):
        made = path.is_relative_to(scratch) and not path.is_symlink()
        digest.update(_framed(_content(path) if made else _identity(path)))
    for path in _media(layout):
        digest.update(_framed(_identity(path)))
    return digest.hexdigest()


def _framed(part: str) -> bytes:
    """A part that cannot run into the next one."""
    content = part.encode(errors="surrogateescape")
    return len(content).to_bytes(8, "little") + content


def _metadata(layout: Layout) -> Iterator[Path]:
    """Every file of metadata, in order."""
    for source in layout.catalog.sources:
        files = (Path(at, name) for at, _, names in os.walk(source.root / "meta") for name in names)
        yield from sorted(path for path in files if path.is_file())


def _media(layout: Layout) -> Iterator[Path]:
    """Every data file and video that a run reads, in order."""
    yield from sorted({Path(row["data_file"]) for row in layout.engine.rows("layout/all_episodes")})
    yield from sorted(map(Path, layout.videos))


def _content(path: Path) -> str:
    return f"{path}\0{hashlib.blake2b(path.read_bytes()).hexdigest()}"


def _identity(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceBroken(f"{path.name} is gone: {error.strerror}. ({path})") from error
    return f"{path}\0{found.st_size}\0{found.st_mtime_ns}"
