"""Two layouts of the same rows: a row group an episode, or a few large ones."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.context import Run
from lecompose.composition.stages.data.output_file import OutputFile
from lecompose.dataset import arrow_schema
from lecompose.errors import SourceBroken

Write: TypeAlias = Callable[[OutputFile, Iterator[pa.Table]], None]


def writer(run: Run) -> Write:
    schema = run.layout.schema
    if run.output_spec.row_groups == "episode":
        return lambda file, tables: _write_groups(file, tables, schema, [e["length"] for e in file.episodes])
    if any(kind == pa.float16() for _, kind in arrow_schema.parquet_leaves(schema)):
        # DuckDB has no such type to write.
        return lambda file, tables: _write_groups(file, tables, schema, _packed(file))
    return lambda file, tables: _write_packed(run, file, tables, schema)


def _packed(file: OutputFile) -> list[int]:
    """The rows of each of a few large row groups."""
    return [min(file.batch_rows, file.rows - first) for first in range(0, file.rows, file.batch_rows)]


def _write_groups(file: OutputFile, tables: Iterator[pa.Table], schema: pa.Schema, rows: list[int]) -> None:
    """Row groups of so many rows each; LeRobot's recorder lays its files out with one an episode."""
    images = arrow_schema.image_leaves(schema)
    compression = dict.fromkeys(
        (p for p, _ in arrow_schema.parquet_leaves(schema)), "snappy"
    ) | dict.fromkeys(images, "none")
    with pq.ParquetWriter(
        file.path,
        schema,
        compression=compression,
        use_dictionary=arrow_schema.dictionary_leaves(schema),
        write_batch_size=file.page_rows,
    ) as writer:
        for group in _sliced(tables, rows):
            writer.write_table(group, row_group_size=max(1, group.num_rows))


def _sliced(tables: Iterator[pa.Table], lengths: list[int]) -> Iterator[pa.Table]:
    """The rows of `tables` cut anew, into so many each."""
    rest = next(tables)
    for length in lengths:
        while rest.num_rows < length:
            rest = pa.concat_tables([rest, next(tables)])
        yield rest.slice(0, length)
        rest = rest.slice(length)
    for _ in tables:
        raise SourceBroken("more rows than the plan has episodes for")


def _write_packed(run: Run, file: OutputFile, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """Large row groups by DuckDB's COPY, the exact schema reattached as file metadata."""
    plain = arrow_schema.duckdb_schema(schema)
    batches = (batch for table in tables for batch in arrow_schema.cast_to_duckdb(table, plain).to_batches())
    run.engine.copy_batches(
        plain,
        batches,
        "write/packed",
        path=str(file.path),
        row_group_rows=file.batch_rows,
        huggingface=(schema.metadata or {})[b"huggingface"].decode(),
        arrow_schema=arrow_schema.arrow_schema_value(schema).decode(),
    )
