"""`lecompose delete`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.source
@click.option(
    "--episodes", required=True, metavar="LIST", help="Episodes to leave out: 0,3:7 is 0 and 3 to 6."
)
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def delete(source: str, **request: Any) -> None:
    """Copy a dataset without some of its episodes.

    The others keep their order and get new numbers. Ranges are half-open, as in Python: 3:7 is 3 to 6,
    57: is everything from 57 on. The dataset itself is not changed.

    \b
    Example:
      lecompose delete day/ -o good/ --episodes 0,3:7
    """
    run_operation("delete", source, **request)
