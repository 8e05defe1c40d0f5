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
@click.option("--frames", type=click.IntRange(min=1), metavar="N", help="With --share: so many frames.")
@click.option(
    "--share",
    "shares",
    metavar="NAME=FRACTION",
    multiple=True,
    callback=options.by_name("FRACTION", "a=0.5"),
    help="The share that the source NAME has of the whole, as a=0.5, a=1/3 or a=30%. Once for each source.",
)
@click.option("--repeat", is_flag=True, help="With --share: take episodes again where a source has too few.")
@options.seed
@options.by
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def sample(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Draw episodes at random, in random order; without --episodes, shuffle them all.

    The same seed draws the same episodes. With --by each stratum is drawn from in proportion, and at
    least once where the number allows. With --share the whole is a mixture of the sources: without a
    number it is the largest one for which no episode is needed twice.

    \b
    Examples:
      lecompose sample day/ -o some/ --episodes 500 --seed 1 --by task
      lecompose sample day/ -o shuffled/ --seed 1
      lecompose sample a/ b/ -o mix/ --share a=0.7 --share b=0.3 --episodes 1000 --repeat
    """
    run_operation("sample", sources, **request)
