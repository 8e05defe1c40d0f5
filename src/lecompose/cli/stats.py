"""`lecompose stats`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand


@click.command(cls=StrictCommand)
@options.source
@options.output_if_any
@click.option("--images", is_flag=True, help="Decode pictures too, sampled as LeRobot samples them.")
@options.layout
@options.engine
@options.as_json
def stats(source: str, out: str | None, as_json: bool, **request: Any) -> None:
    """Compute a dataset's statistics from all its frames.

    They are printed; with -o they go into a copy of the dataset, whose statistics are then all computed
    again, also those of each episode. Pictures are decoded only with --images: without, a copy keeps what
    the dataset says of them.

    \b
    Examples:
      lecompose stats day/
      lecompose stats day/ -o day_true/ --images
    """
    import lecompose
    from lecompose.cli.progress import show_progress
    from lecompose.cli.run_operation import run_operation
    from lecompose.cli.show_stats import show_stats

    if out is not None:
        return run_operation("stats", source, out=out, as_json=as_json, **request)
    with show_progress(quiet=request.pop("quiet") or as_json) as progress:
        found = lecompose.stats(source, progress=progress, **request)
    show_stats(found, as_json=as_json)
    return None
