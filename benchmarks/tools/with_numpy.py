"""numpy: statistics of whole columns in memory, read by polars."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def stats(sources: list[Path], out: Path, clock: Any) -> dict[str, dict[str, list[float]]]:
    """Minimum, maximum, mean, deviation and quantiles of every column: as meta/stats.json has them."""
    clock.mark("import")
    files = sorted(path for root in sources for path in root.glob("data/*/*.parquet"))
    frames = pl.scan_parquet(files).collect()
    clock.mark("read")
    found = {name: _of(frames[name].to_numpy()) for name in frames.columns}
    clock.mark("stats")
    return found


def _of(values: np.ndarray) -> dict[str, list[float]]:
    columns = values.reshape(len(values), -1)
    quantiles = np.quantile(columns, list(QUANTILES.values()), axis=0)
    return {
        "min": columns.min(axis=0).tolist(),
        "max": columns.max(axis=0).tolist(),
        "mean": columns.mean(axis=0, dtype=np.float64).tolist(),
        "std": columns.std(axis=0, dtype=np.float64).tolist(),
        "count": [len(columns)],
    } | {name: row.tolist() for name, row in zip(QUANTILES, quantiles, strict=True)}
