"""What is wrong with a parquet file that cannot be read: the same error, whoever tried to read it."""

import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.errors import ComposeError, SourceBroken
from lecompose.files.git_lfs import POINTER
from lecompose.files.parquet.footers import MAGIC

_BATCH_ROWS = 8192
# What pyarrow raises; it lets errors of Python through, such as that of a name that is not UTF-8.
_FOREIGN = (pa.ArrowException, OSError, ValueError, KeyError, struct.error)


@contextmanager
def reading_parquet(path: Path | str) -> Iterator[None]:
    """Translate every error about a parquet file that cannot be read, and say what is wrong with it.

    Raises:
        SourceBroken: in place of what pyarrow raised; with one problem for one damage, on every way to read.
    """
    try:
        yield
    except ComposeError:
        raise
    except _FOREIGN as error:
        raise explain_damage(Path(path), error) from error


def explain_damage(path: Path, error: Exception) -> SourceBroken:
    """Return what is wrong: with the file as a whole, with its footer, or else with its pages."""
    try:
        payload_bytes(path)
        read_footer(path)
    except SourceBroken as found:
        return found
    return SourceBroken("data cannot be read, damaged pages?", reason=_say(error), path=path)


def find_damage(files: Iterable[Path | str]) -> SourceBroken | None:
    """Return the error of the first file of which not every page can be read.

    For those who read with DuckDB, which does not always name the file. Footers are quick, and come first.
    """
    paths = [Path(file) for file in files]
    footers = []
    for path in paths:
        try:
            payload_bytes(path)
            footers.append(read_footer(path))
        except SourceBroken as error:
            return error
    for path, footer in zip(paths, footers, strict=True):
        try:
            read_pages(path, footer)
        except SourceBroken as error:
            return error
    return None


def payload_bytes(path: Path) -> int:
    """Return the size of a parquet file without its footer.

    Raises:
        SourceBroken: if the first and last bytes say that it is not a whole parquet file.
    """
    try:
        # Not waiting: a pipe would be waited for until somebody writes to it.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
                raise SourceBroken("not a regular file", path=path)
            size, head = found.st_size, os.pread(fd, 64, 0)
            tail = os.pread(fd, 8, max(0, size - 8))
        finally:
            os.close(fd)
    except OSError as error:
        if path.is_socket():
            raise SourceBroken("not a regular file", path=path) from None
        raise SourceBroken("parquet file cannot be read", reason=_say(error), path=path) from error
    if head.startswith(POINTER):
        raise SourceBroken("a Git LFS pointer, not the data", hint="git lfs pull", path=path)
    if size < 12 or not head.startswith(MAGIC):
        raise SourceBroken(f"not a parquet file ({size} bytes)", path=path)
    if tail[4:] != MAGIC:
        raise SourceBroken(
            f"truncated parquet file: {size} bytes and no footer (a recording or download that was cut"
            " short?)",
            path=path,
        )
    return max(1, size - int.from_bytes(tail[:4], "little") - 12)


def read_footer(path: Path) -> pq.FileMetaData:
    """Return the footer of a parquet file.

    Raises:
        SourceBroken: if the footer cannot be read, or names a column in bytes that are not UTF-8.
    """
    try:
        footer = pq.read_metadata(path)
        _ = [column.path for column in map(footer.schema.column, range(footer.num_columns))]
        _ = footer.schema.to_arrow_schema().names
    except _FOREIGN as error:
        raise SourceBroken("parquet file cannot be read", reason=_say(error), path=path) from error
    return footer


def read_pages(path: Path, footer: pq.FileMetaData) -> None:
    """Read the pages of all columns but those of pictures.

    Raises:
        SourceBroken: if one of them cannot be read.
    """
    schema = footer.schema.to_arrow_schema()
    wanted = [field.name for field in schema if not _holds_bytes(field.type)]
    try:
        with pq.ParquetFile(path, metadata=footer) as file:
            for _ in file.iter_batches(_BATCH_ROWS, columns=wanted, use_threads=False):
                pass
    except _FOREIGN as error:
        raise SourceBroken("data cannot be read, damaged pages?", reason=_say(error), path=path) from error


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and any(pa.types.is_binary(field.type) for field in kind))


def _say(error: Exception) -> str:
    """Return the first line of an error; of the system, without its number and the path."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).partition("\n")[0].rstrip(" .")
