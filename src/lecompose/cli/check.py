"""`lecompose check`."""

import sys

import click

from lecompose.cli import options
from lecompose.cli.once import Once
from lecompose.errors import SourceBroken


@click.command(cls=Once)
@options.source
@options.engine
@options.as_json
def check(source: str, threads: int | None, memory: str | None, as_json: bool) -> None:
    """Check that a dataset keeps every promise of its format.

    Reads metadata, parquet files and video tables; decodes and changes nothing. Exits with 0 when the
    dataset is sound, with 3 and a list of what is wrong when it is not.

    \b
    Example:
      lecompose check day/
    """
    from lecompose import sdk
    from lecompose.cli import show

    violations = sdk.check(source, threads=threads, memory=memory)
    show.violations(source, violations, as_json=as_json)
    if violations:
        sys.exit(SourceBroken.exit_code)
