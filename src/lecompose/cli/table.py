"""A query's result as a table that fits the terminal.

DuckDB's own `show` lets 8-bit controls, deletes and marks that turn text around reach the terminal.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import pyarrow as pa
from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from lecompose.cli.console import Screen
from lecompose.cli.terminal import printable, size

_ROWS = 40
# Columns give way in these steps before any is left out.
_WIDTHS = (48, 32, 20, 12)
_ITEMS = 6
# Border and padding of a column.
_EDGE = 3


@dataclass(frozen=True)
class _Column:
    """One column as text; None is NULL."""

    name: str
    cells: tuple[str | None, ...]
    is_number: bool

    @property
    def width(self) -> int:
        return max(
            cell_len(cell) for cell in (self.name, *(c if c is not None else "NULL" for c in self.cells))
        )


def show(rows: pa.RecordBatchReader, *, most_rows: int = _ROWS, whole: str = "--format csv") -> None:
    """Print the first rows and columns, as many as fit; how many there are, and what prints the `whole`."""
    shown, count = _first(rows, most_rows)
    columns = [_column(field, shown.column(n)) for n, field in enumerate(shown.schema)]
    console = Screen(highlight=False)
    fits_all = not console.is_terminal and "COLUMNS" not in os.environ
    wide = sum(min(column.width, _WIDTHS[0]) + _EDGE for column in columns) + 1
    console = Screen(highlight=False, width=max(wide, 1)) if fits_all else console
    kept, width = _fitting(columns, console.width)
    console.print(_table(columns, kept, width, shown.num_rows))
    for line in _remarks(len(columns), len(kept), shown.num_rows, count, whole):
        click.echo(line)


def _first(rows: pa.RecordBatchReader, most: int) -> tuple[pa.Table, int]:
    """Return the first rows, and how many there are in all."""
    kept: list[pa.RecordBatch] = []
    count = 0
    for batch in rows:
        if count < most:
            kept.append(batch.slice(0, most - count))
        count += batch.num_rows
    return pa.Table.from_batches(kept, schema=rows.schema), count


def _remarks(columns: int, kept: int, shown: int, rows: int, whole: str) -> list[str]:
    lines = []
    if kept < columns:
        lines.append(f"{kept} of {columns} columns shown; all with {whole}")
    if shown < rows:
        lines.append(f"… {rows:,} rows, {shown} shown; all with {whole}")
    else:
        lines.append(f"{rows} row{'' if rows == 1 else 's'}")
    return lines


# What fits ----------------------------------------------------------------------------------------


def _fitting(columns: Sequence[_Column], room: int) -> tuple[list[int], int]:
    """Return which columns fit into `room`, and how wide a cell may be; those in the middle give way."""
    every = list(range(len(columns)))
    for width in _WIDTHS:
        if _count_needed(columns, every, width) <= room:
            return every, width
    width = _WIDTHS[-1]
    kept: list[int] = []
    # From both ends inwards: the first columns say which row it is, the last ones were often computed.
    for n in sorted(every, key=lambda n: min(2 * n, 2 * (len(every) - 1 - n) + 1)):
        if _count_needed(columns, [*kept, n], width) + 1 + _EDGE <= room or not kept:
            kept.append(n)
    return sorted(kept), width


def _count_needed(columns: Sequence[_Column], kept: Sequence[int], width: int) -> int:
    return 1 + sum(min(columns[n].width, width) + _EDGE for n in kept)


def _table(columns: Sequence[_Column], kept: Sequence[int], width: int, rows: int) -> Table:
    table = Table()
    gap = next((at for at, n in enumerate(kept) if n != at), len(kept))
    hidden = len(kept) < len(columns)
    for at, n in enumerate(kept):
        if hidden and at == gap:
            table.add_column("…")
        column = columns[n]
        name = Text(_cut(column.name, width))
        table.add_column(name, justify="right" if column.is_number else "left", no_wrap=True)
    if hidden and gap == len(kept):
        table.add_column("…")
    for row in range(rows):
        cells = [_cell(columns[n].cells[row], width) for n in kept]
        table.add_row(*(cells if not hidden else [*cells[:gap], Text("…"), *cells[gap:]]))
    return table


def _cell(text: str | None, width: int) -> Text:
    return Text("NULL", style="dim") if text is None else Text(_cut(text, width))


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


# Cells --------------------------------------------------------------------------------------------


def _column(field: pa.Field, values: pa.ChunkedArray) -> _Column:
    kind = field.type
    cells = tuple(None if value is None else _words(value, kind) for value in _values(values))
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return _Column(printable(field.name), cells, is_number)


def _values(values: pa.ChunkedArray) -> list[Any]:
    try:
        listed: list[Any] = values.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):  # times that Python has no type for
        listed = values.cast(pa.string()).to_pylist()
    return listed


def _words(value: Any, kind: pa.DataType, *, inside: bool = False) -> str:
    """Return a value as text of one line; inside lists and structs more briefly."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.{5 if inside else 7 if kind in (pa.float32(), pa.float16()) else 10}g}"
    if isinstance(value, bytes):
        return f"<{size(len(value))}>"
    if pa.types.is_map(kind):
        pairs = [f"{_words(k, kind.key_type)}={_words(v, kind.item_type, inside=True)}" for k, v in value]
        return _join("{", pairs, "}")
    if isinstance(value, list):
        return _join("[", [_words(v, kind.value_type, inside=True) for v in value[: _ITEMS + 1]], "]")
    if isinstance(value, dict):
        kinds = {f.name: f.type for f in kind}
        pairs = [f"{printable(k)}: {_words(v, kinds[k], inside=True)}" for k, v in value.items()]
        return _join("{", pairs, "}")
    return printable(str(value))


def _join(left: str, items: Sequence[str], right: str) -> str:
    more = [*items[:_ITEMS], "…"] if len(items) > _ITEMS else items
    return f"{left}{', '.join(more)}{right}"
