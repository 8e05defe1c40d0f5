"""`lecompose query`."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.terminal import printable
from lecompose.errors import RequestError

if TYPE_CHECKING:
    from lecompose.api.datasets import Datasets

_USAGE = 'lecompose query DATASET "select * from episodes", or -f FILE with the SELECT'


@click.command(cls=StrictCommand)
@click.argument("arguments", metavar="[NAME=]DATASET... [SQL]", nargs=-1, required=True, type=options.PATH)
@click.option(
    "-f", "--file", metavar="FILE", type=options.PATH, help="Read the SELECT from a file; - is stdin."
)
@click.option(
    "--format",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="How rows are given.  [default: by the ending of -o, else a table that fits the terminal]",
)
@click.option("-o", "--out", metavar="FILE", type=options.PATH, help="Write the rows to a file; - is stdout.")
@click.option("--overwrite", is_flag=True, help="Replace the file of -o.")
@click.option(
    "--skip-broken",
    is_flag=True,
    help="Read damaged datasets without the episodes that repair would leave out, and say which.",
)
@options.with_tables
@options.engine
def query(
    arguments: tuple[str, ...],
    file: str | None,
    format: str | None,
    out: str | None,
    overwrite: bool,
    skip_broken: bool,
    with_tables: tuple[str, ...],
    threads: int | None,
    memory: str | None,
) -> None:
    """Ask datasets anything that one SELECT can say; nothing is changed.

    The relations are episodes (length, seconds, task, stats, custom columns …), frames (every feature
    under its own name), tasks, clips, features, datasets and lineage; "describe episodes" lists the columns
    of one. SQL is DuckDB's: vectors count from 1, names with a dot are quoted, as in
    "observation.state"[1], and statistics are stats.action.max[1]. No files can be read but the datasets'
    and those of --with.

    \b
    Examples:
      lecompose query day/ "select task, count(*), sum(seconds)/60 as minutes from episodes group by all"
      lecompose query day/ night/ -f report.sql -o report.parquet
      lecompose query day/ --with labels=labels.csv \\
        "select success, count(*) from episodes join labels on episode = src_episode group by all"
    """
    import lecompose

    sources, sql = _split_arguments(arguments, None if file is None else options.read_sql(file))
    if out == "-":
        out, format = None, format or "csv"
    if out is not None and format == "table":
        raise RequestError("a table is for the terminal", hint="--format csv", path=out)
    binary = out is None and format == "parquet"
    if binary and sys.stdout.isatty():
        raise RequestError("parquet is not for a terminal", hint="-o rows.parquet")
    opened = lecompose.open(
        sources, with_tables=with_tables, skip_broken=skip_broken, threads=threads, memory=memory
    )
    with opened as datasets:
        known = datasets.notes
        _tell(known)
        if out is not None:
            rows = datasets.save(sql, out, format=format, overwrite=overwrite)
            click.echo(f"wrote {printable(out)}: {rows:,} rows")
        elif format is None or format == "table":
            from lecompose.cli import table

            table.show(datasets.stream(sql))
        else:
            _to_stdout(datasets, sql, format)
        _tell(datasets.notes[len(known) :])


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"note: {printable(note, lines=True)}", err=True)


def _split_arguments(arguments: tuple[str, ...], sql: str | None) -> tuple[tuple[options.Source, ...], str]:
    """Return the sources and the SQL. Raises RequestError where one of them was forgotten."""
    given = list(arguments)
    if sql is None:
        statements = [each for each in arguments if each.split()[1:] and not options.is_path(each)]
        if len(statements) != 1:
            found = f"{len(statements)} statements were given" if statements else "the SQL is missing"
            raise RequestError(found, hint=_USAGE)
        (sql,) = statements
        given.remove(sql)
    if not given:
        raise RequestError("no dataset was named", hint=_USAGE)
    return tuple(options.parse_source(source) for source in given), sql


def _to_stdout(datasets: "Datasets", sql: str, format: str) -> None:
    """All rows, once they are all there: a query that fails half-way has printed nothing."""
    with TemporaryDirectory(prefix="lecompose-") as folder:
        file = Path(folder) / f"rows.{format}"
        datasets.save(sql, file, format=format)
        with file.open("rb") as rows:
            shutil.copyfileobj(rows, sys.stdout.buffer)
