"""Carries a layout out: stages in order, in a staging folder beside the destination, all or nothing."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lecompose.composition.context import Run
from lecompose.composition.destination import Destinations
from lecompose.composition.disk_space import free_bytes, needed, ran_out, refuse_too_little, told
from lecompose.composition.free_memory import give_back
from lecompose.composition.layout import Layout
from lecompose.composition.report import Report, finished
from lecompose.composition.resume import Staging
from lecompose.composition.resume.fingerprint import fingerprint
from lecompose.composition.stages.data import data
from lecompose.composition.stages.metadata import metadata
from lecompose.composition.stages.publish import publish
from lecompose.composition.stages.stats import begin_stats, stats
from lecompose.composition.stages.sync import begin_sync, sync
from lecompose.composition.stages.verify import verify
from lecompose.composition.stages.video import video
from lecompose.concurrency import Progress
from lecompose.errors import ComposeError, OutputUnwritable


def _verify(run: Run) -> None:
    run.progress.stage("verify", 0)
    folders = list(run.folders.values())
    verify(folders, engine=run.engine, scratch=run.scratch, row_groups=run.output_spec.row_groups)


def _stats(run: Run) -> None:
    # Data and videos are all written, and nothing else is large.
    begin_sync(run)
    stats(run)


STAGES: tuple[tuple[str, Callable[[Run], None]], ...] = (
    ("data", data),
    ("video", video),
    ("stats", _stats),
    ("metadata", metadata),
    ("verify", _verify),
    ("sync", sync),
    ("publish", publish),
)


def execute(
    layout: Layout,
    destinations: Destinations,
    *,
    command: str,
    staging: Staging,
    overwrite: bool,
    progress: Progress,
    before: Mapping[str, float],
) -> Report:
    """The report of a layout carried out; on any error every destination is untouched.

    What a killed run with the same request has finished is taken over from `staging`.
    Units: `before` is what opening and planning took, in seconds of wall time.
    Errors: what the stages raise; VerifyError where the result broke a promise; OutputUnwritable where
    there is not room enough.
    """
    made = staging.outputs
    folders = {output: made / output for output in destinations.folders}
    moves = {folders[output]: folder for output, folder in destinations.folders.items()}
    with _explained(staging, layout):
        _begin(staging, layout, command)
        run = Run(
            layout=layout,
            folders=folders,
            moves={made: destinations.root} if destinations.appear_at_once else moves,
            scratch=staging.scratch,
            staging=staging,
            carried=begin_stats(layout),
            progress=progress,
            command=command,
            overwrite=overwrite or destinations.in_place,
            in_place=destinations.in_place,
        )
        with _stopped(run):
            seconds = dict(_carried_out(run))
    _note_resumed(run)
    return finished(run, destinations, seconds={**before, **seconds})


def _carried_out(run: Run) -> Iterator[tuple[str, float]]:
    """Every stage, and what it took, in seconds of wall time."""
    for name, stage in STAGES:
        start = time.perf_counter()
        if not run.staging.stands:
            raise _vanished(run.staging)
        give_back()
        stage(run)
        yield name, time.perf_counter() - start


def _begin(staging: Staging, layout: Layout, command: str) -> None:
    """Take over what is finished, and see that there is room for the rest."""
    staging.begin(fingerprint(layout, command, scratch=staging.scratch), command)
    refuse_too_little(staging.folder, needed(layout) - staging.held_bytes)


@contextmanager
def _stopped(run: Run) -> Iterator[None]:
    """Leave nothing at work behind."""
    try:
        yield
    finally:
        run.carried.stop()
        run.disk.stop()


@contextmanager
def _explained(staging: Staging, layout: Layout) -> Iterator[None]:
    """Say what is behind an error: the folder that is gone, the disk that is full."""
    try:
        yield
    except Exception as error:
        if not staging.stands:
            raise _vanished(staging) from error
        if ran_out(error):
            raise OutputUnwritable(
                f"{error}\n{_describe_room(staging, layout)}",
                hint="make room, or another disk with -o",
                path=staging.folder.parent,
            ) from error
        if isinstance(error, OSError) and not isinstance(error, ComposeError):
            raise OutputUnwritable("cannot write the output", reason=error, path=staging.folder) from error
        raise


def _vanished(staging: Staging) -> OutputUnwritable:
    return OutputUnwritable(
        "the folder that the output was made in is gone; was it removed during the run?", path=staging.folder
    )


def _describe_room(staging: Staging, layout: Layout) -> str:
    free = free_bytes(staging.folder)
    left = "" if free is None else f", {told(free)} are free now"
    return f"the outputs need about {told(needed(layout))} in all{left}"


def _note_resumed(run: Run) -> None:
    if count := run.counted["files_resumed"]:
        files = "1 file was" if count == 1 else f"{count:,} files were"
        run.notes.append(f"{files} taken over from a run that was killed")
