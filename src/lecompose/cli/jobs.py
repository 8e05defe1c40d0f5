"""`lecompose jobs`: plan, run, status, finish, cancel."""

import os
from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.terminal import print_json, printable, size
from lecompose.errors import RequestError

FOLDER = click.argument("folder", metavar="FOLDER", type=options.PATH)


@click.group()
def jobs() -> None:
    """Let many machines carry out the jobs of a command, one job for each output file.

    `jobs plan` writes the jobs into a hidden folder beside the output, and prints its name. Any scheduler may
    start `jobs run FOLDER --shard 1/64` to `64/64`, on machines that see the folder and the sources by the
    same paths. `jobs finish` takes what they wrote, writes meta/, checks the whole and puts it in place.
    A worker may be killed at any moment, and `jobs run` started again: what is done stays done.
    """


@jobs.command(
    cls=StrictCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
@click.pass_context
def plan(context: click.Context, words: tuple[str, ...]) -> None:
    """Plan the jobs of a command, and carry none of them out.

    \b
    Example:
      lecompose jobs plan merge a/ b/ -o /shared/out/ --fps 15
    """
    if words[0] in ("-h", "--help"):
        click.echo(context.get_help())
        return
    _invoke(context, [*words, "--runner", "plan"])


@jobs.command(cls=StrictCommand)
@FOLDER
@click.option("--shard", metavar="K/N", help="Only the K-th of N shares, 1/N to N/N.  [default: all]")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@options.engine
@options.as_json
def run(folder: str, quiet: bool, as_json: bool, **request: Any) -> None:
    """Carry out planned jobs that are still to be done.

    What waits for jobs of others (a video file for its encoded clips, a check for the file) is left to a
    later call, and in the end to `jobs finish`. A job that fails is tried three times; the others go on.

    \b
    Example:
      lecompose jobs run /shared/.out.lecompose --shard 3/64
    """
    import lecompose

    def tell(title: str) -> None:
        if not (quiet or as_json):
            click.echo(f"done: {printable(title)}")

    outcome = lecompose.run_jobs(folder, on_done=tell, **request)
    if as_json:
        return print_json({"done": [done.number for done in outcome.done], "waiting": outcome.waiting})
    if not quiet:
        waiting = f"; {outcome.waiting:,} wait for others" if outcome.waiting else ""
        click.echo(f"{len(outcome.done):,} jobs carried out{waiting}")
    return None


@jobs.command(cls=StrictCommand)
@FOLDER
@options.as_json
def status(folder: str, as_json: bool) -> None:
    """Tell how far planned jobs are: done, pace, time left, failures, and jobs that take too long.

    \b
    Example:
      lecompose jobs status /shared/.out.lecompose
    """
    import lecompose

    found = lecompose.job_status(folder)
    if as_json:
        return print_json(found.as_dict())
    click.echo(printable(found.command))
    click.echo(f"{found.done:,} of {found.jobs:,} jobs done, {found.under_way:,} under way")
    for kind in found.kinds:
        done = f"{kind.done:,} of {kind.jobs:,}, {size(kind.done_bytes)} of {size(kind.size_bytes)}"
        click.echo(f"  {kind.kind}: {done}")
    if found.done:
        left = "" if found.left_s is None else f", {found.left_s:,.0f} s left"
        click.echo(f"  {size(int(found.bytes_per_s))}/s by {found.workers:,} workers{left}")
    if found.scheduled:
        click.echo(f"  SLURM jobs: {', '.join(found.scheduled)}")
    for slow in found.slow:
        click.echo(f"slow: {printable(slow.title)}, {slow.seconds:,.0f} s on {printable(slow.worker)}")
    for failed in found.failed:
        click.echo(f"failed {failed.tries} times: {printable(failed.title)}: {printable(failed.error)}")
    return None


@jobs.command(cls=StrictCommand)
@FOLDER
@click.pass_context
def finish(context: click.Context, folder: str) -> None:
    """Take what workers wrote, write meta/, check the whole, and put the outputs in place.

    Where files are missing nothing is put in place, and all that is done is kept.

    \b
    Example:
      lecompose jobs finish /shared/.out.lecompose
    """
    from lecompose.composition.runners.job_folder import open_job_folder

    request = open_job_folder(folder).request
    try:
        os.chdir(request.cwd)
    except OSError as error:
        raise RequestError(
            "the command was given in a folder that is not here",
            reason=error.strerror,
            hint="a machine that sees it",
            path=request.cwd,
        ) from error
    _invoke(context, [*request.words, "--runner", "finish"])


@jobs.command(cls=StrictCommand)
@FOLDER
def cancel(folder: str) -> None:
    """Take planned jobs back, also from SLURM, and remove all that was made for them.

    \b
    Example:
      lecompose jobs cancel /shared/.out.lecompose
    """
    import lecompose

    lecompose.cancel_jobs(folder)
    click.echo(f"removed {printable(folder)}")


def _invoke(context: click.Context, words: list[str]) -> None:
    """Carry out another command of this program."""
    root = context.find_root().command
    with root.make_context("lecompose", words) as inner:
        root.invoke(inner)
