"""Results on stdout: tables for people, JSON for programs."""

import json
import math
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

import click
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lecompose.checks import Finding
from lecompose.cli import table
from lecompose.cli.terminal import duration, printable, size
from lecompose.composition.report import Report
from lecompose.dataset.summary import Summary

_PLAN_ROWS = 20
_REENCODED_ROWS = 10
_FINDING_ROWS = 10


def report(done: Report, *, as_json: bool, quiet: bool) -> None:
    """Print what a run did, or would do."""
    if as_json:
        return _json(done.as_dict())
    if quiet:
        return None
    console = _console()
    if done.dry_run:
        _plan(console, done)
    for note in done.notes:
        click.echo(f"note: {printable(note, lines=True)}", err=True)
    verb = "would write" if done.dry_run else "wrote"
    for output in done.outputs:
        console.print(
            f"{verb} {_text(str(output.path))}: {output.episodes:,} episodes, {output.frames:,} frames"
        )
    console.print(
        f"  {len(done.files):,} data and video files; data: {_data(done)}\n"
        f"  video: {size(done.bytes_copied)} copied, {size(done.bytes_remuxed)} remuxed,"
        f" {done.frames_decoded} frames decoded"
    )
    if done.frames_unreferenced:
        console.print(
            f"  {done.frames_unreferenced:,} frames of the videos belong to no episode, and stay behind"
        )
    _reencoded(console, done)
    if done.seconds:
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in done.seconds.items())
        console.print(f"  {sum(done.seconds.values()):.2f} s: {stages}")
    return None


def _data(done: Report) -> str:
    if done.dry_run:
        return f"{size(done.bytes_encoded)} in the sources"
    return f"{size(done.bytes_spliced)} copied, {size(done.bytes_encoded)} encoded"


def _reencoded(console: Console, done: Report) -> None:
    verb = "to be encoded anew" if done.dry_run else "encoded anew"
    if done.reencoded:
        console.print(f"  {len(done.reencoded)} of the clips {verb}, for they cannot be cut out as they are:")
    for clip in done.reencoded[:_REENCODED_ROWS]:
        console.print(
            f'    {_text(clip.output)} episode {clip.episode}, camera "{_text(clip.camera)}":'
            f" {clip.reason}{_nearness(clip.psnr_db)}"
        )
    if len(done.reencoded) > _REENCODED_ROWS:
        console.print(f"    … and {len(done.reencoded) - _REENCODED_ROWS} more; all of them with --json")


def _nearness(psnr_db: float | None) -> str:
    if psnr_db is None:
        return ""
    return "; nothing lost" if psnr_db == math.inf else f"; {psnr_db:.1f} dB"


def _plan(console: Console, done: Report) -> None:
    assert done.plan is not None
    table = _table("output", "episode", "from", "source episode", title="plan")
    for row in done.plan.slice(0, _PLAN_ROWS).to_pylist():
        table.add_row(
            _text(row["out_dataset"]),
            str(row["out_episode"]),
            _text(row["src_dataset"]),
            str(row["src_episode"]),
        )
    console.print(table)
    if done.plan.num_rows > _PLAN_ROWS:
        console.print(f"… and {done.plan.num_rows - _PLAN_ROWS} more episodes; all of them with --json")
    files = _table("file", "episodes", "from source", title="files")
    for file in done.files:
        files.add_row(_text(f"{file.output}/{file.path}"), str(file.episodes), size(file.size_bytes))
    console.print(files)


def summary(found: Summary, *, as_json: bool) -> None:
    """Print what is in a dataset."""
    if as_json:
        return _json(found.as_dict())
    console = _console()
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
        facts.add_row(name, _text(value))
    console.print(facts)
    tasks = _table("task", "episodes", "frames")
    for task in found.tasks:
        tasks.add_row(_text(task.task), str(task.episodes), str(task.frames))
    console.print(tasks)
    features = _table("feature", "dtype", "shape")
    for feature in found.features:
        features.add_row(_text(feature.name), feature.dtype, "×".join(map(str, feature.shape)))
    console.print(features)
    if found.cameras:
        cameras = _table("camera", "codec", "pixels", "size", "fps", "files", "bytes")
        for c in found.cameras:
            cameras.add_row(
                _text(c.key),
                _text(str(c.codec or "-")),
                _text(str(c.pix_fmt or "-")),
                f"{c.width}×{c.height}" if c.width else "-",
                f"{c.fps:g}" if c.fps else "-",
                str(c.files),
                size(c.size_bytes),
            )
        console.print(cameras)
    return None


def findings(source: str, found: list[Finding], *, as_json: bool) -> None:
    """Print what is wrong with a dataset, code by code."""
    counts = Counter(finding.severity for finding in found)
    if as_json:
        totals = {"errors": counts["error"], "warnings": counts["warning"]}
        return _json({"source": str(source), **totals, "findings": [asdict(f) for f in found]})
    console = _console()
    if not found:
        console.print(f"sound: {_text(str(source))} keeps every promise of its format")
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
        where = ", ".join(_text(part) for part in place if part)
        console.print(f"  {where + ': ' if where else ''}{_text(finding.problem)}")
    if len(group) > _FINDING_ROWS:
        console.print(f"  … and {len(group) - _FINDING_ROWS:,} more; all of them with --json")
    remedy = group[0].remedy.replace("DATASET", shlex.quote(source))  # to be pasted
    console.print(f"  Try: {_text(remedy)}")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def statistics(found: dict[str, Any], *, as_json: bool) -> None:
    """Print statistics, a row for each dimension of a feature."""
    if as_json:
        return _json(found)
    names = list(dict.fromkeys(stat for stats in found.values() for stat in stats))
    rows = [row for feature, stats in found.items() for row in _dimensions(feature, stats, names)]
    # Seven digits are what float32 holds, and what fits.
    kinds = [("feature", pa.string()), ("at", pa.int64()), *((name, pa.float32()) for name in names)]
    rows_table = pa.Table.from_pylist(rows, schema=pa.schema(kinds))
    table.show(rows_table.to_reader(), most_rows=len(rows), whole="--json")
    return None


def _dimensions(feature: str, stats: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    for at in range(len(stats["min"])):
        values = {name: np.ravel(stats[name]) for name in names if name in stats}
        yield {"feature": feature, "at": at} | {n: float(v[min(at, len(v) - 1)]) for n, v in values.items()}


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"


def _table(*names: str, title: str | None = None) -> Table:
    """A table that breaks long names over lines rather than cut them."""
    table = Table(title=title)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _console() -> Console:
    return table.Screen(highlight=False, soft_wrap=True)


def _text(text: object) -> str:
    """What a dataset says, made harmless to the terminal and to rich's markup; a dash for nothing."""
    return escape(printable("-" if text is None else str(text)))


def _json(value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))
