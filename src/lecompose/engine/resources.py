"""What an engine may use: threads, memory, and a folder to spill into."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from lecompose.engine.duckdb_errors import translate_errors
from lecompose.errors import RequestError

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
LEAST_MEMORY = 400 * 10**6
# Python, the libraries, and what they hold beside DuckDB.
_PROCESS_BYTES = 300 * 2**20
# More have never been of use, and a machine may not bear them.
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Resources:
    """`threads` are those of DuckDB, and of every stage beside it. `memory_bytes` is DuckDB's part of the
    memory, `memory` that of the whole process as the user wrote it; DuckDB spills into `scratch`.
    """

    scratch: Path
    threads: int
    memory_bytes: int
    memory: str | None


def connect(
    *, scratch: Path, threads: int | None, memory: str | None
) -> tuple[duckdb.DuckDBPyConnection, Resources]:
    """Return a connection to a new database in memory, and what it may use.

    Raises:
        RequestError: if a setting is none, or too small.
    """
    config: dict[str, Any] = {"temp_directory": str(scratch), "autoinstall_known_extensions": "false"}
    if threads is not None:
        if threads > _MOST_THREADS:
            raise RequestError(f"{threads:,} threads", hint=f"at most {_MOST_THREADS}")
        config["threads"] = threads
    if memory is not None:
        config["memory_limit"] = f"{parse_size('memory', memory, least=LEAST_MEMORY) - _PROCESS_BYTES}B"
    with translate_errors("engine settings", wrong=RequestError):
        con = duckdb.connect(":memory:", config=config)
    # COPY marks columns REQUIRED where statistics show no NULL: two files of one dataset could differ.
    con.execute("set disabled_optimizers = 'statistics_propagation'")
    settings = "select current_setting('threads')::bigint, current_setting('memory_limit')"
    [(in_force, limit)] = con.execute(settings).fetchall()
    return con, Resources(scratch, in_force, _parse_duckdb_size(limit), memory)


def parse_size(name: str, size: str, *, least: int) -> int:
    """Return how many bytes a size such as 4GB has.

    Raises:
        RequestError: with its `name`, if it is no size, or less than `least` bytes.
    """
    said = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*", size, re.IGNORECASE)
    base = 1024 if said and said[3] else 1000
    found = int(float(said[1]) * base ** _UNITS[said[2].upper()]) if said else 0
    if found < least:
        raise RequestError(f'{name} "{size}": a size of at least {least // 10**6}MB is needed, such as 4GB')
    return found


def _parse_duckdb_size(text: str) -> int:
    """Return how many bytes a size has that DuckDB printed."""
    number, unit = text.split()
    return int(float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))
