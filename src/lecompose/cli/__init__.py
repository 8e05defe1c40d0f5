"""The command line: parse, call the SDK, print, exit code. One module a command."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from lecompose import __version__
from lecompose.cli.exit_codes import exit_with_code
from lecompose.cli.terminal import exit_on_broken_pipe

# Each is a module of its name.
_COMMANDS = (
    *(
        "append",
        "check",
        "compose",
        "cut",
        "delete",
        "drop-frames",
        "edit",
        "filter",
        "info",
        "jobs",
        "merge",
    ),
    *("query", "repair", "sample", "sort", "split", "stats", "trim"),
)
# New objects between two looks for garbage: loading libraries makes none, and would be looked at 100 times.
_NEW_OBJECTS = 100_000


class _Commands(click.Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"lecompose.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            # click looks for what was meant among commands that are loaded, and none is.
            from difflib import get_close_matches

            for meant in get_close_matches(args[0], _COMMANDS, 1):
                raise click.UsageError(f"{error.message} Did you mean '{meant}'?", ctx) from error
            raise

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with exit_on_broken_pipe():  # of --help, too
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        _start_quickly()
        with exit_on_broken_pipe(), exit_with_code():
            return super().invoke(ctx)


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

    Exit codes: 0 done, 1 an unexpected fault of ours, 2 impossible request, 3 unusable source, 4 unusable
    video, 5 unwritable output, 6 our own result failed its check.
    """


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
