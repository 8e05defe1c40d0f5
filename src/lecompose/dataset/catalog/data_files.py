"""The files of a dataset, told whole or broken before anything reads them."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.dataset.catalog.source import POINTER, Source, located, refuse_pointer
from lecompose.engine.duckdb_errors import first_line
from lecompose.errors import QueryError, SourceBroken, collected
from lecompose.files.parquet.schema_cache import read_schema


def read_arrow_schema(path: Path | str) -> pa.Schema:
    """The Arrow schema of a parquet file. Errors: SourceBroken where its footer cannot be read."""
    try:
        told = Path(path).stat()
        return _schema_of(str(path), (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last for names of columns
        payload_bytes(Path(path))  # which knows pointers and cut files
        raise SourceBroken("parquet file cannot be read", reason=error, path=path) from error


@lru_cache(4096)
def _schema_of(path: str, _changed: tuple[int, ...]) -> pa.Schema:
    """Kept: each of the relations that are made of a file asks for it."""
    return read_schema(path)


def needs_union_by_name(files: Sequence[Path | str]) -> bool:
    """Whether DuckDB is to take the types of these files from all of them, as it does when it reads by name.

    It takes them from the first one otherwise, and that knows no type of a column of nulls.
    """
    return any(_is_untyped(field.type) for field in read_arrow_schema(files[0]))


def _is_untyped(kind: pa.DataType) -> bool:
    parts = (kind.field(n).type for n in range(kind.num_fields))
    return bool(pa.types.is_null(kind)) or any(map(_is_untyped, parts))


@dataclass(frozen=True)
class DataFile:
    """One data parquet file of a source; `size_bytes` is without its footer."""

    path: Path
    size_bytes: int


def require_file(path: Path) -> Path:
    if not path.is_file():
        raise SourceBroken(f"{path.name} is missing", path=path)
    refuse_pointer(path)
    return path


def episode_files(source: Source) -> tuple[Path, ...]:
    """The files of a source's episode list. Errors: SourceBroken naming every one that is no whole file."""
    collected(source.episode_files, payload_bytes, what="files")
    return source.episode_files


def data_files(source: Source) -> list[DataFile]:
    """The data parquet files of a source, by its own path template.

    Errors: SourceBroken naming every file that is no whole parquet file.
    """
    default = formats.DATA_PATH if source.is_v3 else formats.V2_DATA_PATH
    with located(source.root / "meta" / "info.json"):
        pattern = formats.path_glob(str(source.info.get("data_path") or default))
    paths = sorted(source.root.glob(pattern))
    if not paths:
        why = "no episode was recorded" if source.info.get("total_episodes") == 0 else "its files are missing"
        raise SourceBroken(f"no data file matches {pattern}", reason=why, path=source.root)
    sizes = collected(paths, payload_bytes, what="data files")
    return [DataFile(path, size) for path, size in zip(paths, sizes, strict=True)]


_MAGIC = b"PAR1"
_BATCH_ROWS = 8192


def payload_bytes(path: Path) -> int:
    """Size of a parquet file without its footer.

    Errors: SourceBroken for what is no whole parquet file, told from its first and last bytes.
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
        raise SourceBroken(
            "parquet file cannot be read", reason=error.strerror or error, path=path
        ) from error
    if head.startswith(POINTER):
        raise SourceBroken("a Git LFS pointer, not the data", hint="git lfs pull", path=path)
    if size < 12 or not head.startswith(_MAGIC):
        raise SourceBroken(f"not a parquet file ({size} bytes)", hint="fetch or record it again", path=path)
    if tail[4:] != _MAGIC:
        raise SourceBroken(
            f"truncated parquet file: {size} bytes and no footer (a recording or download that was cut"
            " short?)",
            hint="fetch or record it again",
            path=path,
        )
    return max(1, size - int.from_bytes(tail[:4], "little") - 12)


def footer(path: Path) -> pq.FileMetaData:
    """Errors: SourceBroken where it cannot be read."""
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceBroken("parquet file cannot be read", reason=error, path=path) from error


def read_pages(path: Path, found: pq.FileMetaData) -> None:
    """Nothing, if the pages of all columns but those of pictures can be read.

    Errors: SourceBroken where they cannot.
    """
    schema = found.schema.to_arrow_schema()
    wanted = [field.name for field in schema if not _holds_bytes(field.type)]
    try:
        with pq.ParquetFile(path, metadata=found) as file:
            for _ in file.iter_batches(_BATCH_ROWS, columns=wanted, use_threads=False):
                pass
    except (pa.ArrowException, OSError) as error:
        raise SourceBroken("its pages cannot be read", reason=error, path=path) from error


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and any(pa.types.is_binary(field.type) for field in kind))


def find_damaged(files: Iterable[Path | str]) -> Path | None:
    """The first file of which not every page can be read: engines do not always tell it."""
    for file in files:
        try:
            read_pages(Path(file), footer(Path(file)))
        except SourceBroken:
            return Path(file)
    return None


@contextmanager
def read_from(path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Name the file or folder that could not be read as what it should be, with a hint what to do."""
    try:
        yield
    except (SourceBroken, QueryError) as error:
        reason = first_line(error)
        raise SourceBroken(f"{path.name} cannot be read", reason=reason, hint=hint, path=path) from error
