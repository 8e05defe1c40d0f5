"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Source: TypeAlias = str | tuple[str, str]


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def source_of(given: str) -> Source:
    """A dataset as given: a path or repo id, or (name, path) of NAME=PATH unless a folder is called that."""
    name, equals, path = given.partition("=")
    if not (name and equals and path) or "/" in name or Path(given).exists():
        return given
    return name, path


def _sources(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[Source, ...]:
    return tuple(source_of(source) for source in given)


source = click.argument("source", metavar="DATASET")
sources = click.argument("sources", metavar="[NAME=]DATASET...", nargs=-1, required=True, callback=_sources)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

engine = _together(
    click.option("--threads", type=click.IntRange(min=1), help="Threads to use.  [default: all cores]"),
    click.option("--memory", metavar="SIZE", help='Memory for SQL, as "4GB".  [default: 80% of the machine]'),
)

output = _together(
    click.option("-o", "--out", required=True, metavar="FOLDER", help="Where the result goes."),
    click.option(
        "--overwrite", is_flag=True, help="Replace a dataset that is there, once the new one is done."
    ),
    click.option("--dry-run", is_flag=True, help="Show the plan and the files; write nothing."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
)

seed = click.option("--seed", default="0", show_default=True, help="Decides the draw: a number or any text.")
by = click.option("--by", metavar="SQL", help='Strata: an expression over `episodes`, as in "task".')

layout = _together(
    click.option(
        "--no-reencode",
        "reencode",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Fail rather than encode an episode anew whose video cannot be cut where it starts or ends.",
    ),
    click.option("--robot-type", metavar="NAME", help="The output's robot_type, where the sources' differ."),
    click.option("--data-mb", type=float, default=100, show_default=True, help="Size of a data file, MiB."),
    click.option("--video-mb", type=float, default=200, show_default=True, help="Size of a video file, MiB."),
    click.option("--chunk-files", type=int, default=1000, show_default=True, help="Files in a chunk folder."),
    click.option(
        "--row-groups",
        type=click.Choice(["episode", "packed"]),
        default="episode",
        show_default=True,
        help="One parquet row group an episode, as LeRobot writes, or few large ones: smaller files.",
    ),
)
