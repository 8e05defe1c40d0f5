"""Per-episode columns that are none of LeRobot's: scores, operators, notes; whatever a recorder added.

v3.0 keeps them in meta/episodes, v2.x in the lines of episodes.jsonl. All sources share one relation,
`custom`, so each column gets one type that holds every source's values as they are.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.catalog.data_files import episode_files, read_arrow_schema, read_from, require_file
from lecompose.dataset.catalog.source import Source, episode_number
from lecompose.engine import Engine
from lecompose.errors import SourceBroken
from lecompose.files.json_files import read_json_lines

_OWN = ("episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index")
# The last is what pandas calls an index that was written along.
_OWN_FAMILIES = ("data/", "videos/", "stats/", "meta/episodes/", "__index_level_")


@dataclass(frozen=True)
class CustomValues:
    """One source's custom columns, a value an episode; `as_json` are those that no single type holds."""

    source: str
    episodes: pa.Array | pa.ChunkedArray
    columns: Mapping[str, pa.ChunkedArray]
    as_json: tuple[str, ...] = ()


@dataclass(frozen=True)
class CustomColumn:
    """One custom column; `column` is its name in the relation `custom`, where SQL must tell it apart.

    `types` has the type of each source that has the column. Where they do not `agree`, the relation
    holds text.
    """

    name: str
    column: str
    types: Mapping[str, str]
    agree: bool
    as_json: tuple[str, ...]


@dataclass(frozen=True)
class CustomColumns:
    """The custom columns of all sources. Units: `row_bytes`, the usual size of an episode's values."""

    columns: tuple[CustomColumn, ...]
    row_bytes: int


# One source -------------------------------------------------------------------------------------


def read_custom_columns(engine: Engine, source: Source) -> CustomValues:
    """Return the custom columns of one source.

    Raises:
        SourceBroken: where they cannot be read, or SQL, which ignores case, mistakes one for another.
    """
    return _of_files(engine, source) if source.is_v3 else _of_lines(source)


def _of_files(engine: Engine, source: Source) -> CustomValues:
    files = episode_files(source)
    names = list(dict.fromkeys(name for file in files for name in _schema_names(file) if is_custom(name)))
    if not names:
        return CustomValues(source.name, pa.array([], pa.int64()), {})
    _refuse_ambiguous(names, source)
    with read_from(source.root / "meta" / "episodes"):
        globs = [formats.escaped_glob(str(file)) for file in files]
        table = engine.arrow("catalog/custom_v3", {"columns": names}, files=globs)
    # By position: DuckDB renames what it finds twice.
    episodes, *columns = table.columns
    return CustomValues(source.name, episodes, dict(zip(names, columns, strict=True)))


def _schema_names(file: Path) -> list[str]:
    with read_from(file):
        names: list[str] = read_arrow_schema(file).names
        return names


def _of_lines(source: Source) -> CustomValues:
    path = require_file(source.root / "meta" / "episodes.jsonl")
    rows = list(_lines(path))
    names = list(dict.fromkeys(name for _, row in rows for name in row if is_custom(name)))
    _refuse_ambiguous(names, source)
    columns, as_json = {}, []
    for name in names:
        values = [row.get(name) for _, row in rows]
        column = _infer_column(values)
        if column is None:
            column = _json_texts(values)
            as_json.append(name)
        columns[name] = column
    episodes = pa.array([episode for episode, _ in rows], pa.int64())
    return CustomValues(source.name, episodes, columns, tuple(as_json))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Episode and keys of each line, as Python reads JSON: DuckDB and Arrow take some strings for dates."""
    return read_json_lines(path, _episode_and_keys, what="an episode")


def _episode_and_keys(row: Any) -> tuple[int, dict[str, Any]]:
    return episode_number(row["episode_index"]), dict(row)


def _infer_column(values: list[Any]) -> pa.ChunkedArray | None:
    """JSON values as a column of the one type that holds them all; None where there is no such type."""
    try:
        column = pa.chunked_array([pa.array(values)])
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        return None
    return column if _is_storable(column.type) else None


def _is_storable(kind: pa.DataType) -> bool:
    """Return whether the type comes back as it is.

    Parquet has no empty struct, SQL ignores the case of fields.
    """
    if pa.types.is_struct(kind):
        names = {field.name.lower() for field in kind} - {""}
        return 0 < len(names) == kind.num_fields and all(_is_storable(field.type) for field in kind)
    return _is_storable(kind.value_type) if pa.types.is_list(kind) else True


def _json_texts(values: Iterable[Any]) -> pa.ChunkedArray:
    texts = [None if value is None else json.dumps(value, default=str) for value in values]
    return pa.chunked_array([pa.array(texts, pa.string())])


@lru_cache(4096)
def is_custom(name: str) -> bool:
    """Return whether a column is none of LeRobot's; what SQL cannot name is left alone."""
    return bool(name) and "\0" not in name and name not in _OWN and not name.startswith(_OWN_FAMILIES)


def _refuse_ambiguous(names: list[str], source: Source) -> None:
    seen = {name: name for name in _OWN}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SourceBroken(
                f'per-episode column "{name}" cannot be told from "{other}" in SQL',
                hint="rename it",
                path=source.root / "meta",
            )


# All sources together ---------------------------------------------------------------------------


def register_custom(engine: Engine, shares: Sequence[CustomValues]) -> CustomColumns:
    """Make the relation `custom`: a row an episode, with the columns of all shares."""
    held = [share for share in shares if share.columns]
    names = dict.fromkeys(name for share in held for name in share.columns)
    sources = [share.source for share in held for _ in range(len(share.episodes))]
    episodes = [episode for share in held for episode in share.episodes.to_pylist()]
    values: dict[str, pa.Array | pa.ChunkedArray] = {
        "src_dataset": pa.array(sources, pa.string()),
        "src_episode": pa.array(episodes, pa.int64()),
    }
    columns = []
    for name in names:
        column, combined = _told_apart(name, values), _combine(name, held)
        columns.append(_column(name, column, held, agree=combined is not None))
        values[column] = _texts(name, held) if combined is None else combined
    if not columns:
        keys = {"relation": "episodes", "columns": ["src_dataset", "src_episode"], "where": "", "order": []}
        engine.table("custom", "read", keys)
        return CustomColumns((), 0)
    table = pa.table(values)
    engine.load("custom_values", table)
    engine.table("custom", "catalog/custom")
    return CustomColumns(tuple(columns), table.nbytes // max(1, table.num_rows))


def _column(name: str, column: str, held: list[CustomValues], *, agree: bool) -> CustomColumn:
    types = {share.source: str(share.columns[name].type) for share in held if name in share.columns}
    as_json = tuple(share.source for share in held if name in share.as_json)
    return CustomColumn(name, column, types, agree, as_json)


def _told_apart(name: str, taken: Iterable[str]) -> str:
    lower = {other.lower() for other in taken}
    while name.lower() in lower:
        name = f"custom.{name}"
    return name


def _combine(name: str, held: list[CustomValues]) -> pa.ChunkedArray | None:
    """Return a column's values of all sources, null where one lacks it.

    None where no type holds them unchanged.
    """
    parts = [share.columns.get(name, _nulls(len(share.episodes), pa.null())) for share in held]
    try:
        kind = _common_type(parts)
        return pa.chunked_array([c for part in parts for c in _as(part, kind).chunks], kind)
    except pa.ArrowException:
        return None


def _common_type(parts: list[pa.ChunkedArray]) -> pa.DataType:
    """Return the narrowest type of the columns that hold anything: one of nulls only has no say.

    Raises:
        ArrowException: where types do not widen into each other.
    """
    types = [part.type for part in parts if part.null_count < len(part)]
    types = types or [part.type for part in parts if part.type != pa.null()][:1] or [pa.null()]
    schemas = [pa.schema([("value", kind)]) for kind in types]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column in another type.

    Raises:
        ArrowException: where a value would change, such as 2**53 + 1 as a float.
    """
    return _nulls(len(column), kind) if column.null_count == len(column) else column.cast(kind)


def _nulls(count: int, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(count, kind)])


def _texts(name: str, held: list[CustomValues]) -> pa.ChunkedArray:
    """Values of types that do not go together, as text to look at."""
    chunks: list[pa.Array] = []
    for share in held:
        part = share.columns.get(name, _nulls(len(share.episodes), pa.string()))
        try:
            texts = part.cast(pa.string())
        except pa.ArrowException:
            texts = _json_texts(part.to_pylist())
        chunks += texts.chunks
    return pa.chunked_array(chunks, pa.string())
