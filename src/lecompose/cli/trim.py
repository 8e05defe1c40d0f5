"""`lecompose trim`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@click.option("--head", default="0", metavar="TIME", help="Leave out so much at the start: 2s, or 60 frames.")
@click.option("--tail", default="0", metavar="TIME", help="Leave out so much at the end.")
@click.option(
    "--where-frames",
    metavar="SQL",
    help="Begin with the first frame for which this is true, and end with the last one. lag_action is the"
    " action of the frame before; likewise for every column.",
)
@click.option("--margin", default="0", metavar="TIME", help="Keep so much around what --where-frames finds.")
@options.snap
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def trim(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Leave out the start and the end of episodes.

    The same from every episode, or whatever lies before the first and behind the last frame for which a
    condition is true. Frames are numbered and timed from 0 again; statistics are those of what is left.
    Videos are copied where they can be cut there, else encoded again, and the report names these clips.

    \b
    Examples:
      lecompose trim day/ -o tight/ --head 2s --tail 1s
      lecompose trim day/ -o tight/ --where-frames "abs(action[1] - lag_action[1]) > 0.01" --margin 0.2s
    """
    run_operation("trim", sources, **request)
