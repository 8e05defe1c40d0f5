"""`lecompose drop-frames`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command("drop-frames", cls=StrictCommand)
@options.sources
@click.option("--where", required=True, metavar="SQL", help="The frames to leave out.")
@click.option("--join", is_flag=True, help="Keep an episode one, without these frames, timed from 0 on.")
@options.snap
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def drop_frames(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Leave frames out, wherever they stand.

    Each stretch of frames that is left is an episode of its own; with --join those of an episode stay one
    episode, whose frames are numbered and timed one behind the other. lag_action is the action of the frame
    before; likewise for every column.

    \b
    Examples:
      lecompose drop-frames day/ -o moving/ --where "abs(action[1] - lag_action[1]) < 0.001"
      lecompose drop-frames day/ -o moving/ --where "idle(action, 0.001)" --join
    """
    run_operation("drop_frames", sources, **request)
