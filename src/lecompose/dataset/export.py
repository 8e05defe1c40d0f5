"""The rows of a query as a file: which format, where it may lie, how it gets there whole."""

import re
import secrets
import shutil
from pathlib import Path

from lecompose.dataset.catalog.source import is_dataset
from lecompose.errors import OutputExists, OutputUnwritable, RequestError
from lecompose.files.fsync import sync_file

FORMATS = ("csv", "json", "parquet")

# A string, or one of the numbers that JSON does not know.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity|nan|inf)')


def format_of(path: Path, format: str | None) -> str:
    """Return the format asked for, or else the one that the file's name ends in.

    Raises:
        RequestError: for one that is none.
    """
    asked = format or path.suffix.removeprefix(".").lower()
    if asked not in FORMATS:
        what = f'format "{asked}"' if asked else "no format"
        raise RequestError(f"{what}: one of {', '.join(FORMATS)} is needed", hint="--format csv", path=path)
    return asked


def refuse_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a path where no file may be written.

    Raises:
        RequestError: for a file in a dataset.
        OutputExists: if something is there already.
        OutputUnwritable: if there is no folder for it.
    """
    within = next((folder for folder in path.resolve().parents if is_dataset(folder)), None)
    if within is not None:
        raise RequestError("the rows would lie in a dataset", hint="another -o", path=within)
    if path.exists() and not path.is_file():
        raise OutputExists("not a file; a file is needed", hint="another -o", path=path)
    if path.exists() and not overwrite:
        raise OutputExists("the file already exists", hint="--overwrite, or choose another name", path=path)
    if not path.parent.is_dir():
        raise OutputUnwritable(f"no such folder: {path.parent}", path=path)


def strict_json(lines: Path, target: Path) -> None:
    """Rewrite one JSON object a line as one list, with null for the numbers that JSON does not know."""
    with lines.open("rb") as source, target.open("wb") as written:
        written.write(b"[")
        for number, line in enumerate(source):
            written.write((b",\n" if number else b"\n") + _replace_not_json(line.rstrip(b"\n")))
        written.write(b"\n]\n")


def _replace_not_json(line: bytes) -> bytes:
    return _TOKEN.sub(lambda m: m[0] if m[0].startswith(b'"') else b"null", line)


def publish(file: Path, path: Path) -> None:
    """Move a finished file to `path`, where it appears whole or not at all. Raises OutputUnwritable."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        shutil.move(file, beside)  # may be a copy: the scratch folder can lie on another disk
        sync_file(beside)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputUnwritable(
            "cannot write the result", reason=error.strerror or error, path=path
        ) from error
