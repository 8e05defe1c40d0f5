"""Exit codes of the command line: an error's own, and those of the signals that end a process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from lecompose.cli.terminal import Terminated, printable, unwind_on_sigterm
from lecompose.errors import ComposeError

_INTERRUPTED, _TERMINATED = 130, 143


@contextmanager
def exit_with_code() -> Iterator[None]:
    """Turn our errors into one message on stderr and their exit code."""
    try:
        with unwind_on_sigterm():
            yield
    except ComposeError as error:
        click.echo(f"error: {printable(str(error), lines=True)}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as error:
        kept = getattr(error, "__notes__", ())
        click.echo(
            printable("\n".join(["interrupted; the output is as it was before.", *kept]), lines=True),
            err=True,
        )
        sys.exit(_TERMINATED if isinstance(error, Terminated) else _INTERRUPTED)
