"""How results look on stdout: tables for people, harmless to the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lecompose.cli.terminal import printable


class Screen(Console):
    """A console that leaves it to the command line what to do where nobody reads on."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console() -> Console:
    return Screen(highlight=False, soft_wrap=True)


def make_table(*names: str, title: str | None = None) -> Table:
    """Return a table that breaks long names over lines rather than cut them."""
    table = Table(title=title)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def harmless(text: object) -> str:
    """Return what a dataset says, made harmless to the terminal and to rich's markup; a dash for None."""
    return escape(printable("-" if text is None else str(text)))
