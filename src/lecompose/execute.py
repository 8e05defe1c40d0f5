"""Carries a layout out: stages in order, in a staging folder beside the destination, all or nothing."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.errors import OutputExists, OutputUnwritable
from lecompose.layout import Layout
from lecompose.run import Progress, Run
from lecompose.stages.data import data
from lecompose.stages.metadata import metadata
from lecompose.stages.publish import publish
from lecompose.stages.stats import stats
from lecompose.stages.verify import verify
from lecompose.stages.video import video


def _verify(run: Run) -> None:
    run.progress.stage("verify", 0)
    for folder in run.folders.values():
        verify(
            folder,
            threads=run.engine.threads,
            memory=run.engine.memory,
            scratch=run.scratch,
            row_groups=run.target.row_groups,
        )


STAGES: tuple[tuple[str, Callable[[Run], None]], ...] = (
    ("data", data),
    ("video", video),
    ("stats", stats),
    ("metadata", metadata),
    ("verify", _verify),
    ("publish", publish),
)


@dataclass(frozen=True)
class OutputFile:
    """One file of an output. Units: its bytes on disk; before a run, those of the source rows or pictures."""

    output: str
    path: str
    episodes: int
    size_bytes: int


@dataclass(frozen=True)
class Report:
    """What a run did, or with `dry_run` would do.

    Units: bytes; seconds of wall time a stage. `bytes_copied` are of files taken whole, `bytes_remuxed`
    of pictures moved unchanged into new containers, `bytes_encoded` of data files written anew.
    `frames_decoded` counts pictures that were decoded.
    """

    outputs: tuple[Path, ...]
    episodes: int
    frames: int
    files: tuple[OutputFile, ...]
    bytes_copied: int
    bytes_remuxed: int
    bytes_encoded: int
    frames_decoded: int
    seconds: dict[str, float]
    notes: tuple[str, ...]
    dry_run: bool
    plan: pa.Table | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON; the plan as a list of rows."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "outputs": [str(path) for path in self.outputs],
            "files": [asdict(file) for file in self.files],
            "plan": None if self.plan is None else self.plan.to_pylist(),
        }


@contextmanager
def workspace(destination: Path) -> Iterator[Path]:
    """A hidden folder beside a destination, on its file system; gone afterwards unless the process is killed.

    Errors: OutputUnwritable where it cannot be made.
    """
    made = [p for p in (destination.parent, *destination.parent.parents) if not p.exists()]
    folder: Path | None = None
    try:
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f".{destination.name}.lecompose-", dir=destination.parent))
        except OSError as error:
            raise OutputUnwritable(
                f"cannot write beside the output: {error.strerror or error}. Try: another -o."
                f" ({destination.parent})"
            ) from error
        yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def refuse_taken(destination: Path, *, overwrite: bool, roots: list[Path]) -> None:
    """Nothing, where a run may publish at `destination`.

    Errors: OutputExists for anything there, unless `overwrite` and it is a dataset, and never one of the
    sources; OutputUnwritable where the destination and a source lie inside each other, or it cannot be seen.
    """
    try:
        _refuse_taken(destination, overwrite=overwrite, roots=roots)
    except PermissionError as error:
        raise OutputUnwritable(f"no permission to look there. Try: another -o. ({destination})") from error


def _refuse_taken(destination: Path, *, overwrite: bool, roots: list[Path]) -> None:
    real = destination.resolve()
    for root in roots:
        if real == root:
            raise OutputExists(
                f"the output is one of the sources, which are never changed. Try: another -o. ({real})"
            )
        if real in root.parents or root in real.parents:
            raise OutputUnwritable(
                f"output and source lie inside each other ({root}). Try: another -o. ({real})"
            )
    if not destination.exists() and not destination.is_symlink():
        return
    if not overwrite:
        raise OutputExists(f"the output is already there. Try: --overwrite, or another -o. ({destination})")
    if not (destination / "meta" / "info.json").is_file():
        raise OutputExists(
            f"--overwrite replaces only a dataset, and this is none. Try: another -o. ({destination})"
        )


def preview(layout: Layout, destinations: dict[str, Path]) -> Report:
    """The report of a run that has not happened: the very relations that a run would use."""
    files = tuple(_output_files(layout))
    videos = sum(f.size_bytes for f in files if f.path.endswith(".mp4"))
    return _report(
        layout,
        destinations,
        files=files,
        counted={"bytes_remuxed": videos, "bytes_encoded": sum(f.size_bytes for f in files) - videos},
        seconds={},
        notes=(),
        plan=layout.engine.arrow("plan/all"),
    )


def execute(
    layout: Layout,
    destinations: dict[str, Path],
    *,
    staging: Path,
    overwrite: bool,
    progress: Progress,
    planned_s: float,
) -> Report:
    """The report of a layout carried out; on any error every destination is untouched.

    Units: `planned_s` is the wall time, in seconds, that opening and planning took.
    Errors: what the stages raise; VerifyError where the result broke a promise.
    """
    folders = {output: staging / f"output-{n}" for n, output in enumerate(destinations)}
    run = Run(layout, folders, destinations, staging, progress, overwrite)
    seconds = {"plan": planned_s}
    for name, stage in STAGES:
        start = time.perf_counter()
        stage(run)
        seconds[name] = time.perf_counter() - start
    return _report(
        layout,
        destinations,
        files=tuple(_written(file, destinations) for file in _output_files(layout)),
        counted=dict(run.counted),
        seconds=seconds,
        notes=tuple(run.notes),
        plan=None,
    )


def _report(
    layout: Layout,
    destinations: dict[str, Path],
    *,
    files: tuple[OutputFile, ...],
    counted: dict[str, int],
    seconds: dict[str, float],
    notes: tuple[str, ...],
    plan: pa.Table | None,
) -> Report:
    totals = layout.engine.rows("plan/totals")
    return Report(
        outputs=tuple(destinations.values()),
        episodes=sum(row["episodes"] for row in totals),
        frames=sum(row["frames"] for row in totals),
        files=files,
        bytes_copied=counted.get("bytes_copied", 0),
        bytes_remuxed=counted.get("bytes_remuxed", 0),
        bytes_encoded=counted.get("bytes_encoded", 0),
        frames_decoded=counted.get("frames_decoded", 0),
        seconds=seconds,
        notes=layout.notes + notes,
        dry_run=plan is not None,
        plan=plan,
    )


def _written(file: OutputFile, destinations: dict[str, Path]) -> OutputFile:
    return replace(file, size_bytes=(destinations[file.output] / file.path).stat().st_size)


def _output_files(layout: Layout) -> Iterator[OutputFile]:
    for row in layout.engine.rows("layout/output_files"):
        template = formats.VIDEO_PATH if row["camera"] else formats.DATA_PATH
        path = template.format(
            video_key=row["camera"], chunk_index=row["chunk_index"], file_index=row["file_index"]
        )
        yield OutputFile(row["out_dataset"], path, row["episodes"], row["size_bytes"])
