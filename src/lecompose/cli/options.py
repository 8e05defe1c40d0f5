"""Options that several commands share, made from the table in `composition.options`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from lecompose.cli.command import HeadedOption
from lecompose.composition.options import FEATURES, FILES, MACHINES, OPTIONS, RESOURCES, Kind, Option
from lecompose.errors import RequestError
from lecompose.files.text_files import decode_text, read_text

F = TypeVar("F", bound=Callable[..., Any])
Source: TypeAlias = str | tuple[str, str]


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def is_path(given: str) -> bool:
    """Return whether something is there; no file has a name as long as a query may be."""
    try:
        return Path(given).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def read_sql(given: str) -> str:
    """Return the text in a file of the user's; "-" is stdin.

    Raises:
        RequestError: if it cannot be read, or is no text.
    """
    try:
        if given == "-":
            return decode_text(sys.stdin.buffer.read())
        return read_text(Path(given).expanduser())
    except OSError as error:
        raise RequestError("the SQL cannot be read", reason=error.strerror or error, path=given) from error
    except ValueError as error:
        raise RequestError(
            "the SQL cannot be read", reason="it is no text", hint="a file with one SELECT", path=given
        ) from error


def parse_source(given: str) -> Source:
    """A dataset as given: a path or repo id, or (name, path) of NAME=PATH unless a folder is called that."""
    name, equals, path = given.partition("=")
    if not (name and equals and path) or "/" in name or is_path(given):
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


# Shells complete what is a path.
PATH = click.Path()
source = click.argument("source", metavar="DATASET", type=PATH)
sources = click.argument(
    "sources", metavar="[NAME=]DATASET...", nargs=-1, required=True, callback=_sources, type=PATH
)
episodes_by_name = click.option(
    "--episodes",
    metavar="NAME=LIST",
    multiple=True,
    callback=by_name("LIST", "a=0,3:7"),
    help="Of the source NAME only these episodes, as a=0,3:7. Once for each source.",
)
named_source = click.argument(
    "source", metavar="[NAME=]DATASET", callback=lambda _, __, given: parse_source(given), type=PATH
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _click_option(option: Option) -> Callable[[F], F]:
    """Return an option of the table as one of the command line."""
    settings: dict[str, Any] = {"help": option.help, "metavar": option.metavar}
    if option.heading is not None:
        settings |= {"cls": HeadedOption, "heading": option.heading}
    if option.kind is Kind.SWITCH:
        settings["is_flag"] = True
        if option.default is True:
            settings |= {"flag_value": False, "default": True}
        return click.option(option.flag, option.name, **settings)
    if option.kind in (Kind.NAMES, Kind.PAIRS, Kind.TABLES):
        return click.option(option.flag, option.name, multiple=True, **settings)
    if option.default is not None:
        settings |= {"default": option.default, "show_default": True}
    return click.option(option.flag, type=_click_type(option), **settings)


def _click_type(option: Option) -> click.Choice[str] | click.IntRange | type:
    if option.choices:
        return click.Choice(option.choices)
    if option.least is not None:
        return click.IntRange(min=option.least)
    return {Kind.NUMBER: float, Kind.COUNT: int}.get(option.kind, str)


def _under(*headings: str, but: Sequence[str] = ()) -> Callable[[F], F]:
    shown = [option for option in OPTIONS if option.heading in headings and option.name not in but]
    return _together(*map(_click_option, shown))


engine = _under(RESOURCES)
with_tables = _together(*(_click_option(option) for option in OPTIONS if option.kind is Kind.TABLES))
layout = _under(FEATURES, FILES, MACHINES)
layout_of_repair = _under(FEATURES, FILES, MACHINES, but=("skip_broken",))
layout_of_episodes = _under(FEATURES, FILES, MACHINES, but=("add", "remove"))


def _output(*where: Callable[[F], F], but: Sequence[str] = ()) -> Callable[[F], F]:
    switches = [option for option in OPTIONS if option.heading is None and option.kind is Kind.SWITCH]
    own = [option for option in switches if option.name not in but]
    quiet = click.option(
        "-q", "--quiet", is_flag=True, help="Print nothing but errors, and episodes that are lost."
    )
    return _together(*where, *map(_click_option, own), quiet)


output = _output(
    click.option("-o", "--out", required=True, metavar="FOLDER", type=PATH, help="Where the result goes.")
)
output_if_any = _output(
    click.option("-o", "--out", metavar="FOLDER", type=PATH, help="Where a copy goes.  [default: only print]")
)

output_or_in_place = _output(
    click.option("-o", "--out", metavar="FOLDER", type=PATH, help="Where the new dataset goes."),
    click.option("--in-place", is_flag=True, help="Replace the dataset itself, once the new one is done."),
)

always_in_place: Callable[[Any], Any] = _output(but=("overwrite",))

snap = click.option(
    "--snap",
    type=click.Choice(["keyframe"]),
    help="Move each start to the nearest frame from which all videos can be copied.",
)
seed = click.option(
    "--seed", default="0", show_default=True, help="Decides the random choice: a number or any text."
)
by = click.option("--by", metavar="SQL", help='Strata: an expression over `episodes`, as in "task".')
