"""The command line: parse, call the SDK, print, exit code. One module a command."""

import gc
import os
import sys
from contextlib import suppress
from typing import Any

import click

from lecompose import __version__
from lecompose.cli.check import check
from lecompose.cli.compose import compose
from lecompose.cli.delete import delete
from lecompose.cli.edit import edit
from lecompose.cli.filter import filter
from lecompose.cli.info import info
from lecompose.cli.merge import merge
from lecompose.cli.query import query
from lecompose.cli.repair import repair
from lecompose.cli.sample import sample
from lecompose.cli.sort import sort
from lecompose.cli.split import split
from lecompose.cli.stats import stats
from lecompose.cli.terminal import Terminated, exit_on_broken_pipe, printable, unwind_on_sigterm
from lecompose.errors import ComposeError

_INTERRUPTED, _TERMINATED = 130, 143
# New objects between two looks for garbage: loading libraries makes none, and would be looked at 100 times.
_NEW_OBJECTS = 50_000


class _Commands(click.Group):
    """Turns our errors into one message on stderr and their exit code."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with exit_on_broken_pipe():  # of --help, too
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        _start_quickly()
        with exit_on_broken_pipe():
            return self._invoked(ctx)

    def _invoked(self, ctx: click.Context) -> Any:
        try:
            with unwind_on_sigterm():
                return super().invoke(ctx)
        except ComposeError as error:
            click.echo(f"error: {printable(str(error), lines=True)}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt as error:
            click.echo("interrupted; the output is as it was before.", err=True)
            sys.exit(_TERMINATED if isinstance(error, Terminated) else _INTERRUPTED)


def _start_quickly() -> None:
    """Keep what is loaded next from work that costs more than a small request does."""
    gc.set_threshold(_NEW_OBJECTS)
    # NumPy's BLAS has a thread a core that waits by running; nothing here multiplies matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="lecompose")
def main() -> None:
    """Compose LeRobot datasets: merge, split, filter, sample and query them with SQL.

    A dataset is a folder of format v2.0, v2.1 or v3.0, or a repo id under $HF_LEROBOT_HOME. Outputs are
    v3.0. Videos are copied, not decoded; sources never changed; an output appears whole or not at all.

    Exit codes: 0 done, 2 impossible request, 3 unusable source, 4 unusable video, 5 unwritable output,
    6 our own result failed its check.
    """


for command in (merge, split, filter, delete, sort, sample, compose, edit, query, info, check, repair, stats):
    main.add_command(command)


def run() -> None:
    """The command line as a process of its own, which ends when all is said and done.

    Python would take apart all that is loaded, which takes longer than many requests.
    """
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        with suppress(OSError):  # whoever has stopped reading
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code)
