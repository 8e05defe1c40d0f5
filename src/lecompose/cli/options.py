"""Options that several commands share."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from lecompose.cli.command import HeadedOption

F = TypeVar("F", bound=Callable[..., Any])
Source: TypeAlias = str | tuple[str, str]


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def parse_source(given: str) -> Source:
    """A dataset as given: a path or repo id, or (name, path) of NAME=PATH unless a folder is called that."""
    name, equals, path = given.partition("=")
    if not (name and equals and path) or "/" in name or Path(given).exists():
        return given
    return name, path


def _sources(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[Source, ...]:
    return tuple(parse_source(source) for source in given)


def by_name(kind: str, example: str) -> Callable[[click.Context, click.Parameter, Any], dict[str, str]]:
    """Reads a repeatable option of NAME=… as a mapping."""

    def read(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for word in given:
            name, equals, said = word.partition("=")
            if not (name and equals and said):
                raise click.BadParameter(f'"{word}" is not NAME={kind}, such as {example}')
            if name in found:
                raise click.BadParameter(f'{kind.lower()} "{name}" is named twice')
            found[name] = said
        return found

    return read


source = click.argument("source", metavar="DATASET")
sources = click.argument("sources", metavar="[NAME=]DATASET...", nargs=-1, required=True, callback=_sources)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

_of_features = partial(click.option, cls=HeadedOption, heading="Features")
_of_files = partial(click.option, cls=HeadedOption, heading="Videos and files")
_off = partial(_of_files, is_flag=True, flag_value=False, default=True)
_of_resources = partial(click.option, cls=HeadedOption, heading="Resources")

engine = _together(
    _of_resources("--threads", type=click.IntRange(min=1), help="Threads to use.  [default: all cores]"),
    _of_resources(
        "--memory",
        metavar="SIZE",
        help='Memory to stay within, as "4GB".  [default: 80% of the machine]',
    ),
)


def _output(*where: Callable[[F], F]) -> Callable[[F], F]:
    return _together(
        *where,
        click.option(
            "--overwrite", is_flag=True, help="Replace a dataset that is there, once the new one is done."
        ),
        click.option("--dry-run", is_flag=True, help="Show the plan and the files; write nothing."),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    )


output = _output(click.option("-o", "--out", required=True, metavar="FOLDER", help="Where the result goes."))
output_if_any = _output(
    click.option("-o", "--out", metavar="FOLDER", help="Where a copy goes.  [default: only print]")
)

output_or_in_place = _output(
    click.option("-o", "--out", metavar="FOLDER", help="Where the edited copy goes."),
    click.option("--in-place", is_flag=True, help="Replace the dataset itself, once the new one is done."),
)

seed = click.option("--seed", default="0", show_default=True, help="Decides the draw: a number or any text.")
by = click.option("--by", metavar="SQL", help='Strata: an expression over `episodes`, as in "task".')

_layout = _together(
    _of_features("--robot-type", metavar="NAME", help="The output's robot_type, where the sources' differ."),
    _of_features(
        "--fps",
        metavar="N",
        help="The output's rate, of which the sources' are whole multiples: frames between are left out, and"
        " videos encoded anew.",
    ),
    _of_features(
        "--remove",
        metavar="[NAME:]FEATURE",
        multiple=True,
        help="Leave out a feature or camera, of every source or of the one called NAME. Repeatable.",
    ),
    _of_features(
        "--rename",
        metavar="[NAME:]OLD=NEW",
        multiple=True,
        help="Another name for a feature or camera, of every source or of the one called NAME. Repeatable.",
    ),
    _of_features(
        "--add",
        metavar="FEATURE[:DTYPE[SHAPE]]=SQL",
        multiple=True,
        help="A new feature, as next.reward:float32 or speed:float32[6], from an SQL expression over a frame"
        " and its episode. Repeatable.",
    ),
    _of_features(
        "--features",
        type=click.Choice(["same", "common", "union"]),
        default="same",
        show_default=True,
        help="Where the sources' features differ: refuse, keep those that all have, or keep all and --fill.",
    ),
    _of_features(
        "--fill",
        type=click.Choice(["null", "zero"]),
        default="null",
        show_default=True,
        help="What --features union puts in the frames of a source that lacks a feature.",
    ),
    _of_features(
        "--cast",
        metavar="FEATURE=DTYPE",
        multiple=True,
        help="A dtype that does not hold every value, as float32 for float64. Repeatable. Wider ones of the"
        " sources are taken without being asked for.",
    ),
    _off(
        "--no-reencode",
        "reencode",
        help="Fail rather than encode an episode anew whose video cannot be cut where it starts or ends.",
    ),
    _of_files("--data-mb", type=float, default=100, show_default=True, help="Size of a data file, MiB."),
    _of_files("--video-mb", type=float, default=200, show_default=True, help="Size of a video file, MiB."),
    _off(
        "--no-concatenate-data",
        "concatenate_data",
        help="One data file for each source's, whatever its size.",
    ),
    _off(
        "--no-concatenate-videos",
        "concatenate_videos",
        help="One video file for each source's, whatever its size.",
    ),
    _of_files("--chunk-files", type=int, default=1000, show_default=True, help="Files in a chunk folder."),
    _of_files(
        "--row-groups",
        type=click.Choice(["episode", "packed"]),
        default="episode",
        show_default=True,
        help="One parquet row group an episode, as LeRobot writes, or few large ones: smaller files.",
    ),
    _of_files(
        "--rewrite-data",
        is_flag=True,
        help="Decode data and write it anew, also what could be copied: pictures in small pages, which are"
        " quick to draw at random.",
    ),
    _of_files(
        "--quantiles",
        default="0.01,0.1,0.5,0.9,0.99",
        show_default=True,
        metavar="LIST",
        help="The quantiles that the statistics hold, in hundredths.",
    ),
)

layout_of_repair = _layout
layout = _together(
    _layout,
    _of_files(
        "--skip-broken",
        is_flag=True,
        help="Take what can be saved of damaged datasets, as repair does, and tell what was not.",
    ),
)
