"""`lecompose split`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@click.option(
    "--into",
    required=True,
    multiple=True,
    metavar="NAME=PART",
    callback=options.by_name("PART", "train=0.8 or train=0:40"),
    help="A part: a fraction (0.8, 4/5, 80%), or episodes (0:40,57). Once for each part.",
)
@options.seed
@options.by
@click.option("--in-order", is_flag=True, help="The first episodes to the first part: do not shuffle.")
@options.output
@options.layout
@options.engine
@options.as_json
def split(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Deal the episodes out to several datasets, FOLDER/NAME for each part.

    Counts are exact, by largest remainder; fractions that sum to less than 1 leave a rest out. The seed
    decides which episodes go where; inside a part they keep their order. With --by each stratum is
    divided alike, with at least one episode in each part as far as the counts allow.

    \b
    Examples:
      lecompose split day/ -o parts/ --into train=0.8 --into val=0.2 --seed 7 --by task
      lecompose split day/ -o parts/ --into a=0:40 --into b=40,41,57:
    """
    run_operation("split", sources, **request)
