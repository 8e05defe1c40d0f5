"""`lecompose sample`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@click.option(
    "--episodes", type=click.IntRange(min=1), metavar="N", help="How many.  [default: all, shuffled]"
)
@options.seed
@options.by
@options.output
@options.layout
@options.engine
@options.as_json
def sample(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Draw episodes at random, in random order; without --episodes, shuffle them all.

    The same seed draws the same episodes. With --by each stratum is drawn from in proportion, and at
    least once where the number allows.

    \b
    Examples:
      lecompose sample day/ -o some/ --episodes 500 --seed 1 --by task
      lecompose sample day/ -o shuffled/ --seed 1
    """
    run_operation("sample", sources, **request)
