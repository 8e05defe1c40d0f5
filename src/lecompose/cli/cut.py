"""`lecompose cut`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@click.option("--at", metavar="SQL", help="A new episode begins at each frame where this becomes true.")
@click.option(
    "--every", metavar="TIME", help="Pieces of this length, 10s or 300 frames; the last is shorter."
)
@click.option("--into", type=click.IntRange(min=1), metavar="N", help="So many pieces of equal length.")
@click.option(
    "--frames",
    metavar="EPISODE=LIST",
    multiple=True,
    callback=options.by_name("LIST", "4=0:300,300:720"),
    help="These frames of an episode, as 4=0:300,300:720; the other episodes stay whole. Once for each"
    " episode.",
)
@options.snap
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def cut(sources: tuple[options.Source, ...], frames: dict[str, str], **request: Any) -> None:
    """Cut episodes into pieces, each an episode of its own.

    Frames are numbered and timed from 0 again; statistics are those of each piece. Videos are copied where
    they can be cut there, else encoded again, and the report names these clips.

    \b
    Examples:
      lecompose cut day/ -o takes/ --at "gripper_opened"
      lecompose cut long/ -o takes/ --every 10s
      lecompose cut long/ -o takes/ --frames "4=0:300,300:720"
    """
    wrong = [name for name in frames if not name.isdecimal()]
    if wrong:
        raise click.BadParameter(f'"{wrong[0]}" is not the number of an episode', param_hint="--frames")
    named = {int(name): said for name, said in frames.items()} or None
    run_operation("cut", sources, frames=named, **request)
