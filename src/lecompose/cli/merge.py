"""`lecompose merge`."""

from typing import Any

import click

from lecompose.cli import options


@click.command()
@options.sources
@options.output
@options.layout
@options.engine
@options.as_json
def merge(sources: tuple[str, ...], as_json: bool, quiet: bool, **request: Any) -> None:
    """Merge datasets into one, in the order given.

    Every frame, state, task and timestamp stays as it is; episodes and tasks are numbered anew. Videos
    are copied packet by packet, never decoded. The sources must agree on fps, features and robot type:
    every difference is listed before anything is written.

    \b
    Example:
      lecompose merge morning/ evening/ -o day/
    """
    from lecompose import sdk
    from lecompose.cli import show
    from lecompose.cli.progress import shown

    with shown(quiet=quiet or as_json) as progress:
        report = sdk.merge(sources, progress=progress, **request)
    show.report(report, as_json=as_json, quiet=quiet)
