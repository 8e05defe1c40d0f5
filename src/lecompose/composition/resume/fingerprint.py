"""What tells a request from every other: a killed run is resumed only by one with the same fingerprint."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lecompose.composition.layout import Layout
from lecompose.errors import SourceBroken
from lecompose.version import __version__


def fingerprint(layout: Layout, command: str, *, scratch: Path) -> str:
    """Return a digest of the command, the plan that it led to, and every file that is read.

    The plan is in it for SQL that does not give the same twice. A file is its path, size and time of change;
    one that was made in `scratch`, at another time by each run, is what it holds.

    Raises:
        SourceBroken: if a file of a source is gone.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(_frame(__version__) + _frame(command))
    for column in layout.plan.columns:
        digest.update(_frame(repr(column.to_pylist())))
    for path in (*_list_metadata(layout), *_list_media(layout)):
        digest.update(_frame(_describe_file(path, scratch)))
    return digest.hexdigest()


def list_files(layout: Layout, *, scratch: Path) -> list[str]:
    """Return every file of the sources that is read, but for those made in `scratch`."""
    files = (*_list_metadata(layout), *_list_media(layout))
    return [path for path in files if not path.startswith(f"{scratch}{os.sep}")]


def _frame(part: str) -> bytes:
    """Return a part that cannot run into the next one."""
    content = part.encode(errors="surrogateescape")
    return len(content).to_bytes(8, "little") + content


def _list_metadata(layout: Layout) -> Iterator[str]:
    """Yield every file of metadata, in order."""
    for source in layout.catalog.sources:
        yield from sorted(_list_files(str(source.root / "meta")))


def _list_files(folder: str) -> Iterator[str]:
    """Yield the files in a folder and in those in it, each asked once: there may be very many."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return  # whoever reads from it tells
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _list_files(entry.path)
            # Of a link it is a Path that is asked: it bears one that leads to itself.
            elif entry.is_file(follow_symlinks=False) or Path(entry.path).is_file():
                yield entry.path


def _list_media(layout: Layout) -> Iterator[str]:
    """Yield every data file and video that a run reads, in order."""
    yield from sorted({episode.data_file for job in layout.data_jobs for episode in job.episodes})
    yield from sorted(layout.videos)


def _describe_file(path: str, scratch: Path) -> str:
    """Return what tells a file from others; one that each run makes in `scratch` is told by its content."""
    is_made = path.startswith(f"{scratch}{os.sep}")
    name = os.path.relpath(path, scratch) if is_made else path
    try:
        if is_made and not Path(path).is_symlink():
            return f"{name}\0{_digest_content(path)}"
        found = Path(path).stat()
    except OSError as error:
        raise SourceBroken(f"{Path(path).name} is gone", reason=error.strerror, path=path) from error
    return f"{name}\0{found.st_size}\0{found.st_mtime_ns}"


def _digest_content(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
