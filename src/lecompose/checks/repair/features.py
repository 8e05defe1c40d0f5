"""The features as the data files really hold them, and the files that hold them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.checks.footers import Footers
from lecompose.dataset.arrow_schema import holds_language
from lecompose.dataset.catalog import Source
from lecompose.dataset.column_types import is_convertible
from lecompose.errors import SourceBroken, few
from lecompose.formats import DEFAULT_FEATURES, Feature, feature


@dataclass(frozen=True)
class Features:
    """Every feature of the repaired dataset, and the data files that have them all.

    `undeclared` are those that info.json did not have.
    """

    features: tuple[Feature, ...]
    files: tuple[Path, ...]
    undeclared: tuple[str, ...]
    notes: tuple[str, ...]


def find_features(source: Source, footers: Footers) -> Features:
    """Return the features that most data files hold, and those files; files with other columns are left out.

    Raises:
        SourceBroken: if a column that every dataset needs is missing.
    """
    schemas = {path: found.schema.to_arrow_schema() for path, found in footers.items()}
    usual = _find_usual_schema(schemas)
    declared = {f.name: f for f in source.columns}
    language = {name for name, f in declared.items() if f.is_language}
    files = tuple(path for path, schema in schemas.items() if _goes_with(schema, usual, language))
    notes: list[str] = []
    features = [f for f in source.features if f.is_video]
    for name, held in declared.items():
        features += _match_to_files(name, held, usual, notes)
    # What info.json has and nobody can read is told with its faults.
    new = [name for name in usual.names if name not in declared and name not in source.info["features"]]
    added = [found for name in new if (found := _declare_column(name, usual.field(name).type, notes))]
    features += [f for f in added if f.name in DEFAULT_FEATURES or f.dtype]
    _refuse_lacking(source, [f.name for f in features])
    for path in schemas.keys() - set(files):
        notes.append(f"left out: its columns are not those of the other data files. ({path})")
    return Features(
        tuple(_in_order(features)),
        files,
        tuple(f.name for f in added if f.name not in DEFAULT_FEATURES),
        tuple(notes),
    )


def _find_usual_schema(schemas: Mapping[Path, pa.Schema]) -> pa.Schema:
    """Return the schema that most files have, by the names and types of its columns."""
    counted = Counter(str(schema.remove_metadata()) for schema in schemas.values())
    most = counted.most_common(1)[0][0]
    return next(schema for schema in schemas.values() if str(schema.remove_metadata()) == most)


def _goes_with(schema: pa.Schema, usual: pa.Schema, language: Set[str]) -> bool:
    """Return whether a file can be read with others of the usual schema.

    Columns of language have in each file the type that its content gives them.
    """
    if set(schema.names) != set(usual.names):
        return False
    kinds = [(schema.field(name).type, usual.field(name).type) for name in set(usual.names) - language]
    return all(str(have) == str(want) or pa.types.is_null(have) for have, want in kinds)


def _match_to_files(name: str, declared: Feature, usual: pa.Schema, notes: list[str]) -> Iterator[Feature]:
    """Yield a declared feature as the files hold it; nothing where they do not."""
    if name not in usual.names:
        notes.append(f'feature "{name}" is in info.json and in no data file: it is no longer declared')
        return
    field, have = formats.arrow_field(declared), usual.field(name).type
    if holds_language(name, have) if field is None else is_convertible(have, field.type):
        yield declared
        return
    found = _declare_column(name, have, notes)
    if found is not None:
        said = f"{declared.dtype} {list(declared.shape)}"
        notes.append(f'feature "{name}" was declared as {said}, and is {found.dtype} {list(found.shape)}')
        yield feature(name, {**declared.spec, "dtype": found.dtype, "shape": list(found.shape)})


def _declare_column(name: str, kind: pa.DataType, notes: list[str]) -> Feature | None:
    """Return the feature that a column of this type is; None where there is no such feature."""
    spec: dict[str, Any] | None = DEFAULT_FEATURES.get(name) or _spec(kind)
    if spec is None:
        notes.append(f'column "{name}" is left out: no feature can have the type {kind}')
        return None
    try:
        return feature(name, spec)
    except SourceBroken as error:
        notes.append(f'column "{name}" is left out: {error}')
        return None


def _spec(kind: pa.DataType) -> dict[str, Any] | None:
    """Return dtype and shape of a column; None where its type is not enough."""
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if pa.types.is_struct(kind) and {f.name for f in kind} == {"bytes", "path"}:
        return None  # the pictures' size is not in the type
    shape: list[int] = []
    while pa.types.is_fixed_size_list(kind):
        shape, kind = [*shape, kind.list_size], kind.value_type
    dtype = {pa.bool_(): "bool", pa.string(): "string", pa.large_string(): "string"}.get(kind)
    if dtype is None and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        dtype = {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind), str(kind))
    return {"dtype": dtype, "shape": shape or [1], "names": None} if dtype else None


def _refuse_lacking(source: Source, names: list[str]) -> None:
    lacking = [name for name in DEFAULT_FEATURES if name not in names]
    if lacking:
        raise SourceBroken(
            f"the data files have no {few(lacking)}, by which frames are identified",
            hint="an export of the recording with these columns",
            path=source.root / "data",
        )


def _in_order(features: list[Feature]) -> Iterator[Feature]:
    """Yield the features, the default ones last, as every dataset has them."""
    yield from (f for f in features if f.name not in DEFAULT_FEATURES)
    by_name = {f.name: f for f in features}
    yield from (by_name[name] for name in DEFAULT_FEATURES)
