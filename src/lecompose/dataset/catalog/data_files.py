"""The files of a dataset, told whole or broken before anything reads them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.catalog.source import Source, locate, name_file
from lecompose.engine.duckdb_errors import first_line
from lecompose.errors import QueryError, SourceBroken, SourceNotFound, collect
from lecompose.files.clutter import glob_files, is_clutter
from lecompose.files.git_lfs import refuse_pointer
from lecompose.files.json_files import read_json
from lecompose.files.parquet.damage import find_damage, payload_bytes, reading_parquet
from lecompose.files.parquet.schema_cache import read_schema


def read_arrow_schema(path: Path | str) -> pa.Schema:
    """Return the Arrow schema of a parquet file.

    Raises:
        SourceBroken: where its footer cannot be read.
    """
    with reading_parquet(path):
        told = Path(path).stat()
        return _schema_of(str(path), (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns))


@lru_cache(4096)
def _schema_of(path: str, _changed: tuple[int, ...]) -> pa.Schema:
    """Kept: each of the relations that are made of a file asks for it."""
    return read_schema(path)


def column_kinds(schema: pa.Schema, names: Iterable[str]) -> tuple[str, ...]:
    """Return the types of columns, empty for those that are not there."""
    there = set(schema.names)
    return tuple(str(schema.field(name).type) if name in there else "" for name in names)


def needs_union_by_name(files: Sequence[Path | str]) -> bool:
    """Return whether DuckDB has to read these files by name, to take the types from all of them.

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
    """Return the files of a source's episode list.

    Raises:
        SourceBroken: naming every one that is no whole file.
    """
    collect(source.episode_files, payload_bytes, what="files")
    return source.episode_files


def data_files(source: Source) -> list[DataFile]:
    """Return the data parquet files of a source, by its own path template.

    Raises:
        SourceBroken: naming every file that is no whole parquet file.
    """
    with name_file(source.root / "meta" / "info.json"):
        pattern = formats.path_glob(source.data_template)
    paths = glob_files(source.root, pattern)
    if not paths and is_empty(source.root):
        raise empty_error(source.root)
    if not paths:
        why = _why_none(source)
        hint = None if _parquet_files(source.root / "data") else "fetch its files, or record it again"
        raise SourceBroken(f"no data file matches {pattern}", reason=why, hint=hint, path=source.root)
    sizes = collect(paths, payload_bytes, what="data files")
    return [DataFile(path, size) for path, size in zip(paths, sizes, strict=True)]


def is_empty(given: Path | str) -> bool:
    """Return whether no episode was recorded: info.json says so, and there is no list and no data of any.

    A folder that is no dataset is not empty: whoever opens it says what it is.
    """
    try:
        root = locate(given)
        total = read_json(root / "meta/info.json").get("total_episodes")
    except (SourceBroken, SourceNotFound):
        return False
    if total != 0:
        return False  # the usual dataset: its folders, which may hold many files, are not walked through
    lists = [root / "meta/episodes.jsonl", *_parquet_files(root / "meta/episodes")]
    is_listed = any(path.is_file() and path.stat().st_size for path in lists)
    return not is_listed and not _parquet_files(root / "data")


def empty_error(root: Path) -> SourceBroken:
    """Return the error of a dataset without an episode, for whoever needs one."""
    return SourceBroken("no episode was recorded", hint="record one, or name another dataset", path=root)


def _why_none(source: Source) -> str:
    """Return why there is no data file; a folder that is half converted has those of another version."""
    other = formats.V21 if source.is_v3 else formats.V30
    if glob_files(source.root, formats.path_glob(formats.usual_data_path(other))):
        return f"the dataset is half converted, its data files are named as those of {other[:2]}.x"
    return "its files are missing"


@contextmanager
def read_from(path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Name the file or folder that could not be read as what it should be, with a hint what to do."""
    try:
        yield
    except (SourceBroken, QueryError) as error:
        # DuckDB does not always name the file. What it cannot bind is no damage, and not worth reading all.
        damage = find_damage(_parquet_files(path)) if isinstance(error, SourceBroken) else None
        if damage is not None:
            damage.hint = hint or damage.hint
            raise damage from error
        reason = first_line(error)
        raise SourceBroken(f"{path.name} cannot be read", reason=reason, hint=hint, path=path) from error


def _parquet_files(path: Path) -> list[Path]:
    """Return the parquet files that are at `path`, or in that folder."""
    below = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sorted(f for f in [path, *below] if f.suffix == ".parquet" and not is_clutter(f.name))
