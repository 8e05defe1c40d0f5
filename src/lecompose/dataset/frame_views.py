"""The view `frames` of a sandbox: every frame of all sources, with the columns of the data files."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lecompose.dataset import arrow_schema as types
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.data_files import needs_union_by_name, read_arrow_schema
from lecompose.dataset.catalog.frames import frames_relation
from lecompose.engine.sandbox import Sandbox
from lecompose.formats import arrow_field, escaped_glob

# Of each episode and each frame; a column of the data by one of these names is shown as "data.<name>",
# a custom one as "custom.<name>".
FRONT = ("src_dataset", "src_episode", "task")
_NOT_SHOWN = ("src_dataset", "src_episode", "data_file", "data_row")


@dataclass(frozen=True)
class ShownColumn:
    """A column, the name under which users see it, and whether they see it as text."""

    name: str
    shown: str
    as_text: bool = False


def choose_name(name: str, taken: Sequence[str], prefix: str) -> str:
    """Return the name under which users see a column, where some names are ours."""
    return f"{prefix}.{name}" if name.lower() in taken else name


def register_frames(catalog: Catalog, sandbox: Sandbox) -> list[str]:
    """Make the view `frames`, and give the files that it reads."""
    columns = {s.name: _columns(catalog, s) for s in catalog.sources}
    mixed = _find_mixed(columns)
    files = {s.name: catalog.data_files(s) for s in catalog.sources}
    with sandbox.behind("sources"):
        for source in catalog.sources:
            sandbox.view(
                source.relation("frames"),
                "query_views/frames_of_source",
                {"columns": [_column(name, mixed) for name in columns[source.name]]},
                src_dataset=source.name,
                tasks=catalog.task_texts(source),
                files=[escaped_glob(file) for file in files[source.name]],
                by_name=needs_union_by_name(files[source.name]),
            )
        parts = [s.relation("frames") for s in catalog.sources]
        if untyped := _find_untyped(catalog, columns):
            sandbox.load("untyped", untyped.empty_table())
            parts.append("untyped")
        sandbox.view("frames", "catalog/union", {"relations": parts})
    sandbox.view("frames", "query_views/all_columns", {"schema": "sources", "relation": "frames"})
    return [file for mine in files.values() for file in mine]


def _columns(catalog: Catalog, source: Source) -> dict[str, str]:
    """Return the columns of a source's data files, and their types in SQL."""
    stored = catalog.engine.column_types(frames_relation(catalog.engine, source))
    kinds = [kind for _, kind in stored[len(_NOT_SHOWN) :]]
    # By place: DuckDB renames a column that is called as one of ours.
    return dict(zip(read_arrow_schema(catalog.data_files(source)[0]).names, kinds, strict=True))


def _find_untyped(catalog: Catalog, columns: dict[str, dict[str, str]]) -> pa.Schema | None:
    """Return the declared types of the columns of which no source holds anything but nulls.

    None without any.
    """
    kinds: dict[str, set[str]] = {}
    for held in columns.values():
        for name, kind in held.items():
            kinds.setdefault(name.lower(), set()).add(kind)
    declared = {f.name.lower(): f for source in catalog.sources for f in source.columns}
    fields = [arrow_field(declared[n]) for n, found in kinds.items() if n in declared and found == {_UNTYPED}]
    shown = [f.with_name(choose_name(f.name, FRONT, "data")) for f in fields if f is not None]
    return types.duckdb_schema(pa.schema(shown)) if shown else None


def _find_mixed(columns: dict[str, dict[str, str]]) -> set[str]:
    """Return the columns, in lower case, whose types in two sources do not go together."""
    kinds: dict[str, set[str]] = {}
    for held in columns.values():
        for name, kind in held.items():
            if kind != _UNTYPED:
                kinds.setdefault(name.lower(), set()).add(_kind(kind))
    return {name for name, found in kinds.items() if len(found) > 1}


def _kind(sql_type: str) -> str:
    """Return what a column holds, but for the width of its numbers."""
    item = sql_type.replace("[]", "")
    number = item.lstrip("U").rstrip("0123456789") in _NUMBERS
    return "number" + sql_type[len(item) :] if number else sql_type


# What SQL calls the type of a column that holds nothing but nulls, and knows no more.
_UNTYPED = '"NULL"'
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "INT")


def _column(name: str, mixed: set[str]) -> ShownColumn:
    return ShownColumn(name, choose_name(name, FRONT, "data"), name.lower() in mixed)
