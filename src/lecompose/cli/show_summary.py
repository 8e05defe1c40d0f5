"""What is in a dataset, on stdout."""

import shlex
from typing import TYPE_CHECKING

import click
from rich.table import Table

from lecompose.cli.console import harmless, make_console, make_table
from lecompose.cli.terminal import duration, print_json, printable, size

if TYPE_CHECKING:
    from lecompose.dataset.summary import Summary


def show_summary(found: "Summary", *, as_json: bool) -> None:
    """Print what is in a dataset."""
    if as_json:
        return print_json(found.as_dict())
    console = make_console()
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("dataset", str(found.root)),
        ("format", found.version),
        ("robot", found.robot_type or "-"),
        ("fps", f"{found.fps:g}"),
        ("episodes", f"{found.episodes:,}"),
        ("frames", f"{found.frames:,} ({duration(found.seconds)})"),
        ("data", f"{size(found.data.size_bytes)} in {_files(found.data.files)}"),
        ("video", f"{size(found.video.size_bytes)} in {_files(found.video.files)}"),
        ("meta", f"{size(found.meta.size_bytes)} in {_files(found.meta.files)}"),
    ):
        facts.add_row(name, harmless(value))
    console.print(facts)
    tasks = make_table("task", "episodes", "frames")
    for task in found.tasks:
        tasks.add_row(harmless(task.task), str(task.episodes), str(task.frames))
    console.print(tasks)
    features = make_table("feature", "dtype", "shape")
    for feature in found.features:
        features.add_row(harmless(feature.name), feature.dtype, "×".join(map(str, feature.shape)))
    console.print(features)
    if found.cameras:
        cameras = make_table("camera", "codec", "pixels", "size", "fps", "files", "bytes")
        for c in found.cameras:
            cameras.add_row(
                harmless(c.key),
                harmless(str(c.codec or "-")),
                harmless(str(c.pix_fmt or "-")),
                f"{c.width}×{c.height}" if c.width else "-",
                f"{c.fps:g}" if c.fps else "-",
                str(c.files),
                size(c.size_bytes),
            )
        console.print(cameras)
    if found.problems:
        for problem in found.problems:
            click.echo(f"missing or damaged: {printable(problem, lines=True)}")
        click.echo(printable(f"lecompose check {shlex.quote(str(found.root))} says more"))
    return None


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"
