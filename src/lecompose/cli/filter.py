"""`lecompose filter`."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.command(cls=StrictCommand)
@options.sources
@click.option("--where", metavar="SQL", help="A predicate over a row of `episodes`.")
@click.option("--where-frames", metavar="SQL", help="A predicate over aggregates of an episode's `frames`.")
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def filter(sources: tuple[options.Source, ...], **request: Any) -> None:
    """Copy the episodes for which SQL predicates are true.

    `--where` sees what `lecompose query DATASET "describe episodes"` lists: length, seconds, task,
    src_dataset, src_episode, stats … `--where-frames` aggregates the frames of one episode; vectors
    count from 1, and names with a dot are quoted: "observation.state"[1]. With both, both must hold.

    \b
    Examples:
      lecompose filter day/ -o long/ --where "length > 100 and task ilike '%cup%'"
      lecompose filter day/ -o calm/ --where-frames "max(abs(action[1])) < 2.5"
      lecompose filter day/ -o good/ --with labels=labels.csv \\
        --where "(select success from labels l where l.episode = src_episode)"
    """
    run_operation("filter", sources, **request)
