"""`lecompose info`."""

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand


@click.command(cls=StrictCommand)
@options.source
@options.engine
@options.as_json
def info(source: str, threads: int | None, memory: str | None, as_json: bool) -> None:
    """Show what is in a dataset: format, robot, episodes, tasks, features, cameras, sizes.

    \b
    Example:
      lecompose info day/
    """
    import lecompose
    from lecompose.cli.show_summary import show_summary

    show_summary(lecompose.info(source, threads=threads, memory=memory), as_json=as_json)
