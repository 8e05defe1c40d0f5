"""`lecompose compose`."""

from pathlib import Path
from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


def _sql(context: click.Context, parameter: click.Parameter, given: str) -> str:
    """Return the recipe's SQL: a file's content, or the argument itself where it is no single word."""
    if options.is_path(given) and not Path(given).is_dir():
        return options.read_sql(given)
    if given.split()[1:]:
        return given
    raise click.BadParameter(f'no such file: "{given}". Try: a file with one SELECT, or the SELECT itself')


@click.command(cls=StrictCommand)
@click.argument("recipe", callback=_sql)
@options.sources
@options.output
@options.layout
@options.engine
@options.as_json
def compose(recipe: str, sources: tuple[options.Source, ...], **request: Any) -> None:
    """Write what one SELECT picks: any SQL over the sources is a plan.

    RECIPE is a file with one SELECT, or the SELECT itself, over the relations that `lecompose query`
    sees: episodes, frames, tasks, clips, features, datasets, lineage. It returns src_dataset and
    src_episode, in the order wanted; an episode may come more than once. With a column out_dataset,
    each row goes to the dataset of that name in the folder of -o, all in one pass.

    \b
    Examples:
      lecompose compose recipe.sql pick=monday/ place=tuesday/ -o mixed/
      lecompose compose "select src_dataset, src_episode, task as out_dataset from episodes" day/ -o tasks/
    """
    run_operation("compose", recipe, sources, **request)
