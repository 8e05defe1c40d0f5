"""Pictures in files of their own, which a dataset names by path; nothing outside of its folder is read."""

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from lecompose.errors import SourceBroken

# PNG, JPEG, and TIFF of either byte order.
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
_FOLDER = "images"


def find_picture(root: Path, path: str) -> tuple[Path, int] | None:
    """Return the file of a picture in a dataset, and its size in bytes; None where it is not there.

    Paths are relative to the dataset. Of an absolute one, as it was on the machine that recorded, what comes
    from the folder `images` on counts.
    """
    allowed = _allowed_folders(root)
    for candidate in _candidates(root, path):
        try:
            real = candidate.resolve()
            found = real.stat()
        except (OSError, ValueError, RuntimeError):  # names that no file can have, and links in a circle
            continue
        if stat.S_ISREG(found.st_mode) and any(real.is_relative_to(folder) for folder in allowed):
            return real, found.st_size
    return None


def _candidates(root: Path, path: str) -> Iterator[Path]:
    given = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    parts = given.parts[1:] if given.is_absolute() else given.parts
    if ".." in parts:
        return
    yield Path(path) if given.is_absolute() else root.joinpath(*parts)
    if given.is_absolute() and _FOLDER in parts:
        last = len(parts) - 1 - parts[::-1].index(_FOLDER)
        yield root.joinpath(*parts[last:])


def _allowed_folders(root: Path) -> tuple[Path, ...]:
    """Return the folder of a dataset; and of one in the cache of the Hub, the store that it links to."""
    store = root.parent.parent / "blobs"
    return (root.resolve(), store.resolve()) if root.parent.name == "snapshots" else (root.resolve(),)


def read_picture(root: Path, path: str) -> bytes:
    """Return the bytes of a picture in a dataset.

    Raises:
        SourceBroken: if it is not there, or no picture.
    """
    found = find_picture(root, path)
    if found is None:
        raise SourceBroken("a picture is missing", path=root / path)
    try:
        data = found[0].read_bytes()
    except OSError as error:
        raise SourceBroken("a picture cannot be read", reason=error, path=found[0]) from error
    if not data.startswith(_BEGINNINGS):
        raise SourceBroken("this is no picture: neither PNG, JPEG nor TIFF", path=found[0])
    return data
