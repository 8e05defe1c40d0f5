"""What a run did, or would do, on stdout."""

import math
import shlex

import click

from lecompose.cli.terminal import print_json, printable, size
from lecompose.composition.layout import Reencoded
from lecompose.composition.report import PlannedJobs, Report
from lecompose.errors import count_of

_PLAN_ROWS = 20
_REENCODED_ROWS = 10


def show_report(done: Report, *, as_json: bool, quiet: bool) -> None:
    """Print what a run did, or would do."""
    if as_json:
        return print_json(done.as_dict())
    if quiet:
        for lost in done.dropped:  # what is lost is never kept quiet
            line = f'source "{lost.source}", episode {lost.episode} could not be saved: {lost.reason}'
            click.echo(f"note: {printable(line)}", err=True)
        return None
    if done.dry_run:
        _show_plan(done)
    for note in done.notes:
        click.echo(f"note: {printable(note, lines=True)}", err=True)
    verb = "would write" if done.dry_run else "will write" if done.planned else "wrote"
    for output in done.outputs:
        episodes, frames = count_of(output.episodes, "episode"), count_of(output.frames, "frame")
        click.echo(f"{verb} {printable(str(output.path))}: {episodes}, {frames}")
    linked = f"; {size(done.bytes_linked)} linked" if done.bytes_linked else ""
    click.echo(
        f"  {len(done.files):,} data and video files{linked}; data: {_data(done)}\n"
        f"  video: {size(done.bytes_copied)} copied, {size(done.bytes_remuxed)} remuxed,"
        f" {size(done.bytes_encoded_video)} encoded"
    )
    if done.frames_unreferenced:
        frames = count_of(done.frames_unreferenced, "frame")
        click.echo(f"  {frames} of the videos left behind: in no episode")
    _show_reencoded(done)
    if done.planned:
        _show_planned(done.planned)
    elif done.seconds:
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in done.seconds.items())
        click.echo(f"  {sum(done.seconds.values()):.2f} s: {stages}")
    return None


def _show_planned(planned: PlannedJobs) -> None:
    folder = printable(shlex.quote(planned.folder))
    click.echo(f"  {planned.jobs:,} jobs are planned; how far they are: lecompose jobs status {folder}")
    if planned.scheduled:
        click.echo(f"  SLURM has them, and finishes then: {', '.join(planned.scheduled)}")
    else:
        click.echo(
            f"  on any machines that see it: lecompose jobs run {folder} --shard K/N\n"
            f"  and in the end: lecompose jobs finish {folder}"
        )


def _data(done: Report) -> str:
    if done.dry_run or done.planned:
        return f"{size(done.bytes_encoded - done.bytes_encoded_video)} in the sources"
    return f"{size(done.bytes_spliced)} copied, {size(done.bytes_encoded - done.bytes_encoded_video)} encoded"


def _show_reencoded(done: Report) -> None:
    verb = "to be encoded again" if done.dry_run or done.planned else "encoded again"
    if done.reencoded:
        frames = f" ({count_of(done.frames_decoded, 'frame')} decoded)" if done.frames_decoded else ""
        click.echo(f"  {count_of(len(done.reencoded), 'clip')} {verb}{frames}; why, and how near they come:")
    for clip in done.reencoded[:_REENCODED_ROWS]:
        click.echo(
            f'    {printable(clip.output)} episode {clip.episode}, camera "{printable(clip.camera)}":'
            f" {printable(clip.reason)}{_share(clip)}{_nearness(clip.psnr_db)}"
        )
    if len(done.reencoded) > _REENCODED_ROWS:
        click.echo(f"    … and {len(done.reencoded) - _REENCODED_ROWS} more; all of them with --json")


def _share(clip: Reencoded) -> str:
    if not clip.frames_copied:
        return ""
    return f"; {clip.frames:,} of {clip.frames + clip.frames_copied:,} frames, the others are copied"


def _nearness(psnr_db: float | None) -> str:
    if psnr_db is None:
        return ""
    return "; nothing lost" if psnr_db == math.inf else f"; {psnr_db:.1f} dB"


def _show_plan(done: Report) -> None:
    from lecompose.cli.console import harmless, make_console, make_table  # slow to load, and only for this

    console = make_console()
    assert done.plan is not None
    table = make_table("output", "episode", "from", "source episode", "frames", title="plan")
    for row in done.plan.slice(0, _PLAN_ROWS).to_pylist():
        table.add_row(
            harmless(row["out_dataset"]),
            str(row["out_episode"]),
            harmless(row["src_dataset"]),
            str(row["src_episode"]),
            f"{row['from_frame']}:{row['to_frame']}",
        )
    console.print(table)
    if done.plan.num_rows > _PLAN_ROWS:
        console.print(f"… and {done.plan.num_rows - _PLAN_ROWS} more episodes; all of them with --json")
    files = make_table("file", "episodes", "from source", title="files")
    for file in done.files:
        files.add_row(harmless(f"{file.output}/{file.path}"), str(file.episodes), size(file.size_bytes))
    console.print(files)
