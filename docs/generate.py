"""Writes docs/cli.md from what `lecompose --help` says; with --check, only tells whether it is fresh.

Usage: python docs/generate.py [--check]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from lecompose.cli import main as cli

REFERENCE = Path(__file__).with_name("cli.md")
TOP = """# Command line

Made from `--help` by `make docs`: change the help texts, not this file.
"""
WIDTH = 100  # of the help texts, whatever the terminal


def reference() -> str:
    """The whole page."""
    return "\n".join([TOP, *(section(context) for context in contexts(cli, None, "lecompose"))])


def contexts(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    """A context for `command` and for each command below it, in the order that `--help` lists them."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from contexts(child, context, child_name)


def section(context: click.Context) -> str:
    """Heading and help text of one command."""
    lines = (line.rstrip() for line in context.get_help().splitlines())
    return "\n".join([f"## {context.command_path}", "", "```text", *lines, "```", ""])


def main(arguments: list[str]) -> int:
    """Exit code: 1 where --check finds the page stale."""
    page = reference()
    if "--check" not in arguments:
        REFERENCE.write_text(page, encoding="utf-8")
        return 0
    fresh = REFERENCE.is_file() and REFERENCE.read_text(encoding="utf-8") == page
    if not fresh:
        print("docs/cli.md is not what --help says. Try: make docs", file=sys.stderr)
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
