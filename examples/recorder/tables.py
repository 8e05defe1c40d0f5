"""Parquet and JSON as LeRobot writes them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recorder import scene
from recorder.robot import Column, Robot

PNG_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def data_schema(features: Mapping[str, Mapping[str, Any]], *, list_name: str) -> pa.Schema:
    """The schema of the data files, with the metadata that Hugging Face `datasets` types them by.

    `list_name` is what `datasets` calls a vector: "List", before its version 4 "Sequence".
    """
    stored = {name: feature for name, feature in features.items() if feature["dtype"] != "video"}
    fields = [_field(name, feature["dtype"], feature["shape"]) for name, feature in stored.items()]
    types = {name: _hf_type(f["dtype"], f["shape"], list_name) for name, f in stored.items()}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": types}})})


def data_table(robot: Robot, episode: int, schema: pa.Schema) -> tuple[pa.Table, dict[str, Column]]:
    """One episode as a table, and the plain columns it was made of."""
    columns = robot.columns(episode)
    pictures: dict[str, Column] = {name: _png_files(robot, name, episode) for name in robot.images}
    arrays = [_array((columns | pictures)[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema), columns


def write_parquet(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Writes `path`, each table as a row group of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=True) as writer:
        for table in tables:
            writer.write_table(table)


def write_json(path: Path, content: Any) -> None:
    """Writes `path` as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Writes `path`, one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _field(name: str, dtype: str, shape: list[int]) -> pa.Field:
    if dtype == "image":
        return pa.field(name, PNG_FILE)
    element = pa.string() if dtype == "string" else pa.from_numpy_dtype(np.dtype(dtype))
    if shape == [1]:
        return pa.field(name, element)
    if len(shape) == 1:
        return pa.field(name, pa.list_(pa.field("element", element), shape[0]))
    for _ in shape:
        element = pa.list_(pa.field("element", element))
    # What `datasets` writes for its extension types, without needing `datasets` to write it.
    extension = {
        "ARROW:extension:name": f"datasets.features.features.Array{len(shape)}DExtensionType",
        "ARROW:extension:metadata": json.dumps([shape, dtype]),
    }
    return pa.field(name, element, metadata=extension)


def _hf_type(dtype: str, shape: list[int], list_name: str) -> dict[str, Any]:
    if dtype == "image":
        return {"_type": "Image"}
    single = {"dtype": dtype, "_type": "Value"}
    if shape == [1]:
        return single
    if len(shape) == 1:
        return {"feature": single, "length": shape[0], "_type": list_name}
    return {"shape": shape, "dtype": dtype, "_type": f"Array{len(shape)}D"}


def _array(column: Column, kind: pa.DataType) -> pa.Array:
    if isinstance(column, np.ndarray) and pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(column.ravel(), kind.value_type), type=kind)
    flat = isinstance(column, list) or column.ndim == 1
    return pa.array(column if flat else column.tolist(), kind)


def _png_files(robot: Robot, feature: str, episode: int) -> list[dict[str, Any]]:
    pictures = enumerate(robot.pictures(feature, episode))
    return [{"bytes": scene.png(image), "path": f"frame-{frame:06d}.png"} for frame, image in pictures]
