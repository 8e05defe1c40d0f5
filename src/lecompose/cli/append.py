"""`lecompose append`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.named_source
@options.sources
@options.episodes_by_name
@options.always_in_place
@options.layout_of_repair
@options.engine
@options.as_json
def append(source: options.Source, sources: tuple[options.Source, ...], **request: Any) -> None:
    """Put the episodes of other datasets behind those of one, in its place.

    The data and video files that it has are not copied: the dataset that takes its place, in one step,
    goes on using them. All else is as with merge: new episodes get the next numbers, tasks are matched by
    their text, and what differs is listed before anything is written.

    \b
    Example:
      lecompose append day/ today/ tonight/
    """
    run_operation("append", [source], sources, **request)
