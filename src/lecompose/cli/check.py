"""`lecompose check`."""

import sys

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.errors import SourceBroken


@click.command(cls=StrictCommand)
@options.source
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="What makes the exit code 3: errors only, or warnings too.",
)
@click.option(
    "--decode", is_flag=True, help="Decode every picture too, of videos and of image columns. Slow."
)
@options.engine
@options.as_json
def check(
    source: str, fail_on: str, decode: bool, threads: int | None, memory: str | None, as_json: bool
) -> None:
    """Say what is wrong with a dataset, where, and what to do about it.

    Looks at all metadata, at every parquet file and at the tables of every video, and changes nothing.
    Works on v2.0, v2.1 and v3.0, however broken: what cannot be read is listed, and the rest is checked.
    Pictures are decoded with --decode only.

    An error means that a reader would lose or mix something, or refuse the dataset; with a warning readers
    cope. Each comes with a code, which docs/checks.md explains.

    Exits with 0 if there is no error, else with 3.

    \b
    Examples:
      lecompose check day/
      lecompose check day/ --decode --fail-on warning
    """
    import lecompose
    from lecompose.cli.show_findings import show_findings

    findings = lecompose.check(source, decode=decode, threads=threads, memory=memory)
    show_findings(source, findings, as_json=as_json)
    if any(finding.severity in ("error", fail_on) for finding in findings):
        sys.exit(SourceBroken.exit_code)
