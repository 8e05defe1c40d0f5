"""`lecompose repair`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.source
@click.option(
    "--undeclared",
    type=click.Choice(["drop", "declare"]),
    default="drop",
    show_default=True,
    help="What to do with columns that the data files have and info.json does not declare.",
)
@options.output
@options.layout_of_repair
@options.engine
@options.as_json
def repair(source: str, **request: Any) -> None:
    """Copy what can be saved of a damaged dataset, and list what cannot.

    Episodes whose data or video is not all there are left out; those after a crash that are whole but not
    in the episode list are taken in where their videos are known. Lengths, pointers, totals, tasks and
    numbering are made true; lost statistics are computed again. The dataset itself is not touched. With
    --remove CAMERA episodes are kept that lack only that camera. --dry-run lists it all beforehand.

    \b
    Example:
      lecompose repair crashed/ -o saved/
    """
    run_operation("repair", source, **request)
