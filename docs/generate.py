"""Writes docs/cli.md from what `lecompose --help` says, docs/checks.md from the table of codes.

And into docs/reliability.md the figures of docs/torture.json.

With --check, it only tells whether they are fresh.

Usage: python docs/generate.py [--check]
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from lecompose.checks import CODES, Code
from lecompose.cli import main as cli

FOLDER = Path(__file__).parent
TOP = """# Command line

Made from `--help` by `make docs`: change the help texts, not this file.
"""
WIDTH = 100  # of the help texts, whatever the terminal
CHECKS = """# What `lecompose check` finds

Made from the table of codes by `make docs`: change `src/lecompose/checks/codes.py`, not this file.

`lecompose check DATASET` names each thing that does not hold by its code, with its place (file, episode,
feature), what was found against what is needed, and what to do. Codes do not change their meaning.

- With an **error** a reader loses or mixes something, or refuses. `check` exits with 3.
- With a **warning** readers cope, but something is off. `check` exits with 3 if `--fail-on warning` is given.

Nothing hides anything else: what cannot be read is told, and the rest is still checked. What only follows
from a part that could not be read is left out.

`row_groups` is asked of what lecompose itself has written, before it appears; not of datasets that are given.

| code | severity | what must hold | try |
|---|---|---|---|
"""


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


def checks() -> str:
    """The page of codes: a row each, in the order in which `check` names them."""
    return CHECKS + "".join(row(code) for code in CODES.values())


def row(code: Code) -> str:
    cells = (f"`{code.name}`", code.severity, code.what, code.remedy)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


# Figures ----------------------------------------------------------------------------------------

MEMORY = FOLDER.parent / "benchmarks/results/memory-full.json"


def reliability() -> str:
    """The page as it is, with the figures of what `make torture` last wrote."""
    page = (FOLDER / "reliability.md").read_text(encoding="utf-8")
    found = json.loads((FOLDER / "torture.json").read_text(encoding="utf-8"))
    memory = json.loads(MEMORY.read_text(encoding="utf-8"))
    return quoted(quoted(page, "torture.json", figures(found)), "memory-full.json", peaks(memory))


def quoted(page: str, source: str, lines: Iterable[str]) -> str:
    """The page with these lines where the figures of that file stand."""
    first, last = f"<!-- figures: made from {source} by `make docs` -->\n", "<!-- end of figures -->\n"
    before, _, rest = page.partition(first)
    return "".join([before, first, *lines, last, rest.partition(last)[2]])


def figures(found: dict[str, Any]) -> Iterator[str]:
    where, minutes = found["where"], round(found["seconds"] / 60)
    yield f"\n[torture.json](torture.json) of {where['date']}, {where['system']}, Python {where['python']},\n"
    yield f"{where['processors']} processors, {minutes} minutes:\n\n| | |\n|---|---|\n"
    rows = [(what, found[name]) for name, what in TORTURE.items()]
    if inputs := found.get("inputs"):
        rows += [(what, inputs[name]) for name, what in INPUTS.items()]
        rows += [(f"- refused with exit code {code}", n) for code, n in inputs["refused"].items()]
        rows += [(what, inputs[name]) for name, what in HARM.items()]
    yield from (f"| {what} | {number:,} |\n" for what, number in rows)
    yield "\n"


def peaks(found: dict[str, Any]) -> Iterator[str]:
    """Each command under its limit, in MB."""
    machine = found["machine"]
    yield f"\n[memory-full.json](../benchmarks/results/memory-full.json): {machine['cores']} cores,\n"
    yield f"{machine['memory_gib']} GiB, {machine['system']}, {machine['filesystem']}:\n\n"
    yield "| sources | command | frames | size | `--memory` | peak |\n|---|---|---:|---:|---:|---:|\n"
    for row in found["rows"]:
        size, peak = (f"{row[name] * 2**20 / 1e6:,.0f} MB" for name in ("source_mib", "rss_mib"))
        cells = (row["inputs"], row["command"], f"{row['frames']:,}", size, row["limit"], peak)
        yield f"| {' | '.join(cells)} |\n"
    yield "\n"


TORTURE = {
    "trials": "disturbances tried",
    "kills": "runs killed, and all survived",
    "faults_met": "runs that failed for another reason, each with its exit code",
    "source_files_compared": "source files compared",
    "sources_changed": "sources changed",
    "wrong_outputs": "wrong outputs",
    "left_over": "runs that left something behind",
    "not_resumed": "second runs that failed",
    "runs_resumed": "second runs that took files over",
    "files_resumed": "files taken over",
}
INPUTS = {
    "datasets": "broken datasets",
    "operations": "operations",
    "tried": "broken datasets × operations",
    "handled": "- handled, the output right frame by frame",
}
HARM = {
    "sources_changed": "- sources changed",
    "wrong_outputs": "- wrong outputs",
    "left_over": "- that left something behind",
    "wrong_codes": "- that ended otherwise than they should, or with a traceback",
    "unclear_messages": "- that did not name what is broken",
}

PAGES = {"cli.md": reference, "checks.md": checks, "reliability.md": reliability}


def main(arguments: list[str]) -> int:
    """Exit code: 1 where --check finds a page stale."""
    stale = [name for name, page in PAGES.items() if not is_fresh(FOLDER / name, page())]
    if "--check" not in arguments:
        for name in stale:
            (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        return 0
    for name in stale:
        print(f"docs/{name} is not what the code says. Try: make docs", file=sys.stderr)
    return 1 if stale else 0


def is_fresh(path: Path, page: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == page


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
