"""Rows of Python values as the tables that plans are made of."""

from collections.abc import Sequence

import pyarrow as pa


def make_table(schema: pa.Schema, rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """`rows` as a table; there may be none."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
