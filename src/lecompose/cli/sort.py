"""`lecompose sort`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@click.option("--by", required=True, metavar="SQL", help='Terms over `episodes`, as in "task, length desc".')
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def sort(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Copy every episode, in the order of SQL terms.

    Episodes that the terms do not tell apart stay in the order of the sources.

    \b
    Example:
      lecompose sort day/ -o sorted/ --by "task, length desc"
    """
    run_operation("sort", sources, **request)
