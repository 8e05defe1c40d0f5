"""What is wrong with a dataset, on stdout."""

import shlex
from collections import Counter
from dataclasses import asdict
from itertools import groupby

from rich.console import Console

from lecompose.checks import Finding
from lecompose.cli.console import harmless, make_console
from lecompose.cli.terminal import print_json

_FINDING_ROWS = 10


def show_findings(source: str, found: list[Finding], *, as_json: bool) -> None:
    """Print what is wrong with a dataset, code by code."""
    counts = Counter(finding.severity for finding in found)
    if as_json:
        totals = {"errors": counts["error"], "warnings": counts["warning"]}
        return print_json({"source": str(source), **totals, "findings": [asdict(f) for f in found]})
    console = make_console()
    if not found:
        console.print(f"sound: {harmless(str(source))} keeps every promise of its format")
        return None
    for code, group in groupby(found, key=lambda finding: finding.code):
        _finding(console, code, list(group), source)
    console.print(f"{_count(counts['error'], 'error')}, {_count(counts['warning'], 'warning')}")
    return None


def _finding(console: Console, code: str, group: list[Finding], source: str) -> None:
    """One code, where it was found, and what to do."""
    console.print(f"[bold]{group[0].severity}[/bold] {code}")
    for finding in group[:_FINDING_ROWS]:
        place = [
            finding.file,
            None if finding.episode is None else f"episode {finding.episode}",
            finding.feature,
        ]
        where = ", ".join(harmless(part) for part in place if part)
        console.print(f"  {where + ': ' if where else ''}{harmless(finding.problem)}")
    if len(group) > _FINDING_ROWS:
        console.print(f"  … and {len(group) - _FINDING_ROWS:,} more; all of them with --json")
    remedy = group[0].remedy.replace("DATASET", shlex.quote(source))  # to be pasted
    console.print(f"  Try: {harmless(remedy)}")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
