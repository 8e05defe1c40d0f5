"""Statistics of a dataset, on stdout."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from lecompose.cli import table
from lecompose.cli.terminal import print_json


def show_stats(found: dict[str, Any], *, as_json: bool) -> None:
    """Print statistics, a row for each dimension of a feature."""
    if as_json:
        return print_json(found)
    names = list(dict.fromkeys(stat for stats in found.values() for stat in stats))
    rows = [row for feature, stats in found.items() for row in _dimensions(feature, stats, names)]
    # Seven digits are what float32 holds, and what fits.
    kinds = [("feature", pa.string()), ("at", pa.int64()), *((name, pa.float32()) for name in names)]
    rows_table = pa.Table.from_pylist(rows, schema=pa.schema(kinds))
    table.show(rows_table.to_reader(), most_rows=len(rows), whole="--json")
    return None


def _dimensions(feature: str, stats: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    for at in range(len(stats["min"])):
        values = {name: np.ravel(stats[name]) for name in names if name in stats}
        yield {"feature": feature, "at": at} | {n: float(v[min(at, len(v) - 1)]) for n, v in values.items()}
