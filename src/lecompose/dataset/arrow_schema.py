"""The exact Arrow schema of the data files, and arrays brought back to it after DuckDB.

DuckDB returns values unchanged but not every type: fixed-size lists come back as lists, extension
types as their storage, float16 as float32. The declared features say what they were.
"""

import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.data_files import read_arrow_schema
from lecompose.dataset.column_types import is_convertible, is_json, is_lossless, plain_type
from lecompose.dataset.feature_map import FeatureMap
from lecompose.dataset.list_lengths import refuse_odd_rows
from lecompose.errors import SourceBroken
from lecompose.formats import Feature


def data_schema(catalog: Catalog, columns: tuple[Feature, ...], takes: FeatureMap | None = None) -> pa.Schema:
    """Return the schema of the output's data files, `huggingface` metadata included.

    `takes` says what of each source is taken; without it all of its columns are.

    Raises:
        SourceBroken: naming every source file whose columns are not the declared ones.
    """
    files = catalog.files_by_source()
    odd = _odd_files(catalog, files)
    stored = {s.name: _stored_schema(files[s.name][0], odd[s.name].values()) for s in catalog.sources}
    taken = {s.name: _taken_of(s, takes) for s in catalog.sources}
    problems = [p for s in catalog.sources for p in _problems(s, stored[s.name], taken[s.name])]
    problems += [p for s in catalog.sources for p in _differing(s, odd[s.name], stored[s.name])]
    if problems:
        raise SourceBroken("data files that do not hold what info.json declares", parts=problems)
    fields = [formats.arrow_field(f) or _language_field(f, catalog) for f in columns]
    return pa.schema(
        fields, metadata={"huggingface": json.dumps({"info": {"features": _hf(columns, fields)}})}
    )


def types_follow_content(columns: Iterable[Feature]) -> bool:
    """Return whether a column's type may differ from file to file.

    DuckDB reads all files by the first one's.
    """
    return any(f.is_language for f in columns)


@dataclass(frozen=True)
class _OddFile:
    src_dataset: str
    file_name: str


def _odd_files(catalog: Catalog, files: Mapping[str, list[str]]) -> dict[str, dict[str, pa.Schema]]:
    """Return the files of each source that are not like its first one, and their schemas."""
    odd: dict[str, dict[str, pa.Schema]] = {name: {} for name in files}
    views = _file_views(catalog, files)
    found = catalog.engine.records("catalog/odd_files", _OddFile, {"sources": views}) if views else []
    for file in found:
        odd[file.src_dataset][file.file_name] = read_arrow_schema(file.file_name)
    return odd


def _differing(source: Source, odd: Mapping[str, pa.Schema], stored: pa.Schema) -> Iterator[str]:
    language = {f.name for f in source.columns if f.is_language}
    for path, schema in odd.items():
        found = ", ".join(_differences(schema, stored, but=language, ignored=source.unusable))
        if found:
            yield (
                f'source "{source.name}": columns or types differ from the first data file: {found}. ({path})'
            )


def _language_field(feature: Feature, catalog: Catalog) -> pa.Field:
    """Return the column of a language feature; its times are float64 where any file holds them so.

    Raises:
        SourceBroken: naming every file whose column cannot become it.
    """
    single, double = (formats.language_field(feature.name, timestamp=t()) for t in (pa.float32, pa.float64))
    fields, problems = [], []
    for paths in catalog.files_by_source().values():
        for path in paths:
            schema = read_arrow_schema(path)
            have = schema.field(feature.name).type if feature.name in schema.names else pa.null()
            fields += [field for field in (single, double) if is_lossless(have, field.type)][:1]
            if not holds_language(feature.name, have):
                problems.append(f'"{feature.name}" is {have}. ({path})')
    if problems:
        raise SourceBroken("language columns that LeRobot cannot read", parts=problems)
    return double if double in fields else single


def holds_language(name: str, kind: pa.DataType) -> bool:
    """Return whether a column of some type can become the language feature of a name."""
    return is_lossless(kind, formats.language_field(name, timestamp=pa.float64()).type)


def _differences(
    have: pa.Schema, want: pa.Schema, *, but: Collection[str], ignored: Collection[str]
) -> Iterator[str]:
    for name in dict.fromkeys([*want.names, *have.names]):
        if name in ignored or (name in but and name in have.names):
            continue
        types = [s.field(name).type if name in s.names else None for s in (have, want)]
        if not _alike(*types):
            found, wanted = ("not there" if kind is None else kind for kind in types)
            yield f'"{name}" is {found}, not {wanted}' if name in want.names else f'"{name}" is more'


def _alike(one: pa.DataType | None, other: pa.DataType | None) -> bool:
    """Return whether two types differ in layout at most; one of nulls is like any other."""
    if one is None or other is None:
        return False
    one, other = plain_type(one), plain_type(other)
    if pa.types.is_null(one) or pa.types.is_null(other):
        return True
    if formats.is_list(one) and formats.is_list(other):
        return _alike(one.value_type, other.value_type)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        parts = [{f.name: f.type for f in kind} for kind in (one, other)]
        return parts[0].keys() == parts[1].keys() and all(_alike(parts[0][n], parts[1][n]) for n in parts[0])
    return bool(one == other)


def _file_views(catalog: Catalog, files: Mapping[str, list[str]]) -> list[str]:
    """Return the columns of each source's files; not of one that has a single file."""
    views = []
    for source in (s for s in catalog.sources if len(files[s.name]) > 1):
        view = source.relation("parquet_columns")
        catalog.engine.view(
            view,
            "catalog/parquet_columns",
            src_dataset=source.name,
            files=[formats.escaped_glob(path) for path in files[source.name]],
        )
        views.append(view)
    return views


def _stored_schema(path: str, odd: Iterable[pa.Schema]) -> pa.Schema:
    """Return the columns of a source's first data file.

    A column of nulls has the type that an odd file has.
    """
    first = read_arrow_schema(path)
    typed: dict[str, pa.Field] = {}
    for schema in odd:
        typed = {f.name: f for f in schema if not pa.types.is_null(f.type)} | typed
    return pa.schema([typed.get(f.name, f) if pa.types.is_null(f.type) else f for f in first])


def _taken_of(source: Source, takes: FeatureMap | None) -> set[str]:
    if takes is None:
        return {feature.name for feature in source.columns}
    return {how.feature.name for how in takes[source.name].values() if how.feature}


def _problems(source: Source, stored: pa.Schema, taken: Collection[str]) -> Iterator[str]:
    declared = {f.name: f for f in source.columns}
    for name, held in ((n, f) for n, f in declared.items() if n in taken):
        if name not in stored.names:
            yield f'source "{source.name}": feature "{name}" is in info.json, not in the data files'
            continue
        field = formats.arrow_field(held)
        if field is not None and not is_convertible(stored.field(name).type, field.type):
            yield (
                f'source "{source.name}": feature "{name}": info.json declares {held.dtype}'
                f" {list(held.shape)},"
                f" the data files hold {stored.field(name).type}"
            )


def _hf(columns: tuple[Feature, ...], fields: list[pa.Field]) -> dict[str, object]:
    """Return the `datasets` features of all columns."""
    return {
        column.name: formats.hf_feature(column) or formats.hf_language(field)
        for column, field in zip(columns, fields, strict=True)
    }


# Values ---------------------------------------------------------------------------------------


def cast_exactly(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """`array` as exactly `kind`; zero copy where only the list layout differs.

    Raises:
        ArrowInvalid: where a value has no place in `kind` (a vector of another length).
    """
    if isinstance(array.type, pa.BaseExtensionType) and array.type != kind:
        array = array.storage
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if is_json(kind):
        return _json_texts(array, kind)
    if pa.types.is_struct(kind):
        return _structs(array, kind)
    if pa.types.is_list(kind) and not _are_primitive(array.type, kind):
        return _lists(array, kind)
    if pa.types.is_fixed_size_list(kind) and formats.is_list(array.type) and not array.null_count:
        refuse_odd_rows(array, (kind.list_size,))
        values = list_items(array)
        return pa.FixedSizeListArray.from_arrays(cast_exactly(values, kind.value_type), type=kind)
    if formats.is_list(array.type) and not pa.types.is_nested(kind):
        return _scalars(array, kind)
    return array.cast(kind)


def list_items(lists: pa.Array) -> pa.Array:
    """Return what stands in lists, as their `flatten` has it.

    That one loads all of Arrow's functions first.
    """
    if lists.null_count:
        return lists.flatten()
    if pa.types.is_fixed_size_list(lists.type):
        size = lists.type.list_size
        return lists.values.slice(lists.offset * size, len(lists) * size)
    first, end = (lists.offsets[at].as_py() for at in (0, -1))
    return lists.values.slice(first, end - first)


def _are_primitive(*lists: pa.DataType) -> bool:
    return all(formats.is_list(kind) and pa.types.is_primitive(kind.value_type) for kind in lists)


def _scalars(array: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow.compute as pc  # slow to load, and seldom needed

    if pc.any(pc.not_equal(pc.list_value_length(array), 1)).as_py():
        raise pa.ArrowInvalid("a number was declared, vectors of other lengths than 1 found")
    return cast_exactly(pc.list_element(array, 0), kind) if len(array) else pa.nulls(0, kind)


def _lists(array: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.cumsum([0, *lengths]), pa.int32())
    values = cast_exactly(array.flatten(), kind.value_type)
    return pa.ListArray.from_arrays(offsets, values, type=kind, mask=array.is_null())


def _structs(array: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow.compute as pc

    held = {array.type.field(n).name: n for n in range(array.type.num_fields)}
    parts = [
        cast_exactly(pc.struct_field(array, [held[f.name]]), f.type)
        if f.name in held
        else pa.nulls(len(array), f.type)
        for f in kind
    ]
    return pa.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())


def _json_texts(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values as JSON text; text that a writer left is such already."""
    if not pa.types.is_string(array.type):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False) for value in array.to_pylist()
        ]
        array = pa.array(texts, pa.string())
    return pa.ExtensionArray.from_storage(kind, array)


def duckdb_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` in the types that DuckDB's parquet writer stores: fixed-size lists as lists, no extensions."""
    return pa.schema([pa.field(f.name, _duckdb_type(f.type)) for f in schema])


def cast_to_duckdb(table: pa.Table, stored: pa.Schema) -> pa.Table:
    """`table` in the types of its `duckdb_schema`; its columns are single chunks."""
    arrays = [cast_exactly(table[f.name].chunk(0), f.type) for f in stored]
    return pa.Table.from_arrays(arrays, schema=stored)


def _duckdb_type(kind: pa.DataType) -> pa.DataType:
    if formats.is_list(kind):
        return pa.list_(pa.field("element", _duckdb_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _duckdb_type(f.type)) for f in kind])
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def arrow_schema_value(schema: pa.Schema) -> bytes:
    """Return the `ARROW:schema` value from which readers restore `schema`."""
    sink = io.BytesIO()
    pq.ParquetWriter(sink, schema).close()
    value = pq.read_metadata(io.BytesIO(sink.getvalue())).metadata[b"ARROW:schema"]
    return bytes(value)


def dictionary_leaves(schema: pa.Schema) -> list[str]:
    """Parquet paths of the leaves that repeat themselves: all but floats and image bytes.

    A dictionary over float vectors costs 1.9 times the time and 39 % more bytes (measured).
    """
    return [
        path
        for path, kind in parquet_leaves(schema)
        if not pa.types.is_floating(kind) and not _is_bytes(kind)
    ]


def image_leaves(schema: pa.Schema) -> list[str]:
    """Parquet paths of the leaves that hold compressed pictures; compressing them again is in vain."""
    return [path for path, kind in parquet_leaves(schema) if _is_bytes(kind)]


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def parquet_leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    for field in schema:
        yield from _leaves_of(field.name, field.type)


def _leaves_of(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if formats.is_list(kind):
        yield from _leaves_of(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves_of(f"{path}.{field.name}", field.type)
    else:
        yield path, kind
