"""Reads facts off parquet footers: rows, columns, types, and the types for Hugging Face `datasets`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

Row: TypeAlias = tuple[Any, ...]
Footers: TypeAlias = Mapping[Path, pq.FileMetaData]


def footer_facts(footers: Footers) -> dict[str, list[Row]]:
    """Return the facts in the footers of data files; equal schemas share a number."""
    numbers: dict[bytes, int] = {}
    facts: dict[str, list[Row]] = {"footer_facts": [], "column_facts": [], "row_group_facts": []}
    for path, found in footers.items():
        schema = found.schema.to_arrow_schema()
        key = bytes(schema.serialize())
        if key not in numbers:
            numbers[key] = len(numbers)
            facts["column_facts"] += [(numbers[key], *row) for row in _columns(schema)]
        has_huggingface = b"huggingface" in (schema.metadata or {})
        facts["footer_facts"].append((str(path), numbers[key], has_huggingface))
        row = 0
        for group in range(found.num_row_groups):
            rows = found.row_group(group).num_rows
            facts["row_group_facts"].append((str(path), row, row + rows))
            row += rows
    return facts


def _columns(schema: pa.Schema) -> Iterator[Row]:
    """Yield name, kind and Hugging Face type of each column, also of names that have only the latter."""
    kinds = {field.name: kind_of(field.type) for field in schema}
    huggingface_types = _huggingface_types(schema)
    for name in kinds | huggingface_types:
        yield name, kinds.get(name), huggingface_types.get(name)


def _huggingface_types(schema: pa.Schema) -> dict[str, str]:
    """Return the type of each column in the `huggingface` schema metadata; none where that is malformed."""
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return {name: huggingface_type(spec) for name, spec in metadata["info"]["features"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def huggingface_type(spec: Any) -> str:
    """Return a `datasets` feature as text that is equal for equal types.

    Source: datasets 4 spells "Sequence" as "List"; before 3 it wrote null ids.
    """
    return json.dumps(_canonical(spec), sort_keys=True)


def _canonical(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    kept = {k: _canonical(v) for k, v in spec.items() if v is not None and k not in ("decode", "id")}
    return kept | {"_type": "List"} if kept.get("_type") == "Sequence" else kept


def kind_of(kind: pa.DataType) -> str:
    """Return an Arrow type without what readers ignore: large or view layouts, names of list items."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return kind_of(kind.storage_type)
    if types.is_fixed_size_list(kind):
        return f"{kind_of(kind.value_type)}[{kind.list_size}]"
    if types.is_list(kind) or types.is_large_list(kind):
        return f"{kind_of(kind.value_type)}[]"
    if types.is_struct(kind):
        return f"struct({', '.join(f'{f.name} {kind_of(f.type)}' for f in kind)})"
    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    return str(kind).removeprefix("large_").removesuffix("_view")
