"""Encode rows into a data file: a row group an episode, or a few large ones."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.jobs import DataFileJob
from lecompose.composition.stages.data.decode_rows import batch_rows
from lecompose.dataset import arrow_schema
from lecompose.engine import Engine
from lecompose.errors import SourceBroken

# A reader holds a whole page. Source: pyarrow's defaults.
_PAGE_BYTES = 2**20
_MAX_PAGE_ROWS = 1024


def encode_rows(job: DataFileJob, tables: Iterator[pa.Table], path: Path, engine: Engine) -> None:
    """Write rows, in the job's schema and order, to a new file.

    Raises:
        SourceBroken: if there are more rows than the job says.
        OSError: if the file cannot be written.
    """
    if job.row_groups == "episode":
        _write_groups(job, tables, path, job.lengths)
    elif any(kind == pa.float16() for _, kind in arrow_schema.parquet_leaves(job.schema)):
        # DuckDB has no such type to write.
        _write_groups(job, tables, path, _split_evenly(job))
    else:
        _write_packed(job, tables, path, engine)


def _split_evenly(job: DataFileJob) -> list[int]:
    """Return the rows of each of a few large row groups."""
    step = batch_rows(job)
    return [min(step, job.rows - first) for first in range(0, job.rows, step)]


def _count_page_rows(job: DataFileJob) -> int:
    """Return after how many rows to see whether a page is full: 1,024 pictures would all be in one."""
    return max(1, min(_MAX_PAGE_ROWS, _PAGE_BYTES * job.rows // max(1, job.size_bytes)))


def _write_groups(job: DataFileJob, tables: Iterator[pa.Table], path: Path, rows: list[int]) -> None:
    """Write row groups of so many rows each; LeRobot's recorder lays its files out with one an episode."""
    images = arrow_schema.image_leaves(job.schema)
    compression = dict.fromkeys(
        (p for p, _ in arrow_schema.parquet_leaves(job.schema)), "snappy"
    ) | dict.fromkeys(images, "none")
    with pq.ParquetWriter(
        path,
        job.schema,
        compression=compression,
        use_dictionary=arrow_schema.dictionary_leaves(job.schema),
        write_batch_size=_count_page_rows(job),
    ) as writer:
        for group in _regroup(tables, rows):
            writer.write_table(group, row_group_size=max(1, group.num_rows))


def _regroup(tables: Iterator[pa.Table], lengths: list[int]) -> Iterator[pa.Table]:
    """Yield the rows of `tables`, so many in each table."""
    rest = next(tables)
    for length in lengths:
        while rest.num_rows < length:
            rest = pa.concat_tables([rest, next(tables)])
        yield rest.slice(0, length)
        rest = rest.slice(length)
    for _ in tables:
        raise SourceBroken("more rows than the plan has episodes for")


def _write_packed(job: DataFileJob, tables: Iterator[pa.Table], path: Path, engine: Engine) -> None:
    """Write large row groups by DuckDB's COPY, the exact schema attached again as file metadata."""
    plain = arrow_schema.duckdb_schema(job.schema)
    batches = (batch for table in tables for batch in arrow_schema.cast_to_duckdb(table, plain).to_batches())
    engine.copy_batches(
        plain,
        batches,
        "write/packed",
        path=str(path),
        row_group_rows=batch_rows(job),
        huggingface=(job.schema.metadata or {})[b"huggingface"].decode(),
        arrow_schema=arrow_schema.arrow_schema_value(job.schema).decode(),
    )
