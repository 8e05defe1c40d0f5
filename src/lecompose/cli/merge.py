"""`lecompose merge`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@options.episodes_by_name
@options.output
@options.layout
@options.engine
@options.as_json
def merge(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Merge datasets into one, in the order given.

    Every frame, state, task and timestamp stays as it is; episodes and tasks get new numbers. Videos
    are copied packet by packet. The sources must agree on fps, features and robot type: every
    difference is listed before anything is written, and --rename, --features, --cast and --robot-type
    are the options for that. If dtypes differ and one of them holds all values, it is taken.

    \b
    Example:
      lecompose merge morning/ evening/ -o day/
      lecompose merge morning/ evening/ -o day/ --episodes evening=0,3:7
    """
    run_operation("merge", sources, **request)
