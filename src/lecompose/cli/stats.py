"""`lecompose stats`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand


@click.command(cls=StrictCommand)
@options.source
@options.output_if_any
@click.option("--images", is_flag=True, help="Decode pictures too, sampled as LeRobot samples them.")
@click.option(
    "--relative",
    metavar="FEATURE[=STATE]",
    help="Let the statistics of an action be those of relative actions: less the state (observation.state).",
)
@click.option(
    "--horizon",
    type=int,
    default=50,
    show_default=True,
    help="How many frames an action chunk has: with --relative.",
)
@click.option(
    "--exclude",
    metavar="WORD",
    multiple=True,
    default=("gripper",),
    show_default=True,
    help="With --relative: dimensions whose names contain it stay absolute; '' for none. Repeatable.",
)
@options.layout
@options.engine
@options.as_json
def stats(source: str, out: str | None, as_json: bool, **request: Any) -> None:
    """Compute a dataset's statistics from all its frames.

    They are printed; with -o they go into a copy of the dataset, whose statistics are then all computed
    again, also those of each episode. Pictures are decoded only with --images: without, a copy keeps what
    the dataset says of them.

    --relative computes those of relative actions, as LeRobot's recompute_stats does with relative_action: of
    each stretch of --horizon frames inside an episode, less the state of its first frame. In a copy they
    stand in meta/stats.json, for policies trained with use_relative_actions.

    \b
    Examples:
      lecompose stats day/
      lecompose stats day/ -o day_true/ --images
      lecompose stats day/ -o day_relative/ --relative action --horizon 50 --exclude gripper
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
