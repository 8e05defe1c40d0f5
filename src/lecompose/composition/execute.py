"""Carries a layout out: stages in order, in a staging folder beside the destination, all or nothing."""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from lecompose.composition.context import Run
from lecompose.composition.destination import Destinations
from lecompose.composition.disk_space import (
    estimate_bytes,
    format_size,
    free_bytes,
    is_disk_full,
    refuse_too_little,
)
from lecompose.composition.free_memory import release_free_memory
from lecompose.composition.in_place import Stamps
from lecompose.composition.layout import Layout
from lecompose.composition.machines import THREADS, Machines
from lecompose.composition.report import Report, report_run
from lecompose.composition.resume import Staging
from lecompose.composition.resume.fingerprint import fingerprint, list_files
from lecompose.composition.stages.data import write_data
from lecompose.composition.stages.metadata import write_all_metadata
from lecompose.composition.stages.publish import publish
from lecompose.composition.stages.stats import make_stats, prefetch_stored_stats
from lecompose.composition.stages.sync import begin_sync, sync
from lecompose.composition.stages.verify import verify
from lecompose.composition.stages.video import write_videos
from lecompose.concurrency import Progress
from lecompose.errors import ComposeError, OutputUnwritable


def _verify(run: Run) -> None:
    run.progress.stage("verify", 0)
    folders = list(run.folders.values())
    verify(
        folders,
        engine=run.engine,
        scratch=run.scratch,
        row_groups=run.output_spec.row_groups,
        task_columns=run.output_spec.task_columns,
    )


def _stats(run: Run) -> None:
    # Data and videos are all written, and nothing else is large.
    begin_sync(run)
    make_stats(run)


Stages: TypeAlias = tuple[tuple[str, Callable[[Run], None]], ...]

STAGES: Stages = (
    ("data", write_data),
    ("video", write_videos),
    ("stats", _stats),
    ("metadata", write_all_metadata),
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
    machines: Machines,
    words: tuple[str, ...] | None,
    stamps: Stamps | None = None,
) -> Report:
    """Carry a layout out and return the report; on any error every destination is untouched.

    What a killed run with the same request has finished is taken over from `staging`.
    `stamps` are of the files of a dataset that the output replaces in place.
    Units: `before` is what opening and planning took, in seconds of wall time.

    Raises:
        ComposeError: what the stages raise.
        VerifyError: if the result broke a promise.
        OutputUnwritable: if there is not room enough.
    """
    made = staging.outputs
    folders = {output: made / output for output in destinations.folders}
    moves = {folders[output]: folder for output, folder in destinations.folders.items()}
    with explain_errors(staging, layout):
        identity = begin(staging, layout, command)
        run = Run(
            layout=layout,
            folders=folders,
            moves={made: destinations.root} if destinations.appear_at_once else moves,
            scratch=staging.scratch,
            staging=staging,
            stored_stats=prefetch_stored_stats(layout),
            progress=progress,
            command=command,
            overwrite=overwrite or destinations.in_place,
            stamps=stamps,
        )
        with _stop_at_end(run):
            seconds = dict(_run_stages(run, _choose_stages(staging, machines, words, identity)))
    _note_resumed(run)
    return report_run(run, destinations, seconds={**before, **seconds})


def _choose_stages(
    staging: Staging, machines: Machines, words: tuple[str, ...] | None, identity: str
) -> Stages:
    """Return the stages of a run; where others carry the jobs out, one stage takes the place of two."""
    if machines.runner == THREADS and not staging.has_jobs:
        return STAGES
    from lecompose.composition.runners.run_jobs import run_jobs, take_what_is_done  # few runs have others

    if machines.runner == THREADS:
        return (("jobs", take_what_is_done), *STAGES)
    jobs = partial(run_jobs, machines=machines, words=words or (), fingerprint=identity)
    return (("jobs", jobs), *STAGES[2:])


def _run_stages(run: Run, stages: Stages) -> Iterator[tuple[str, float]]:
    """Carry out every stage, and yield what it took, in seconds of wall time."""
    for name, stage in stages:
        start = time.perf_counter()
        if not run.staging.stands:
            raise _folder_gone(run.staging)
        release_free_memory()
        stage(run)
        yield name, time.perf_counter() - start


def begin(staging: Staging, layout: Layout, command: str) -> str:
    """Take over what is finished, and see that there is room for the rest; return the request's fingerprint.

    Raises:
        OutputBusy: if jobs of another request are planned here.
        OutputUnwritable: if there is not room enough.
    """
    identity = fingerprint(layout, command, scratch=staging.scratch)
    if staging.has_jobs:
        from lecompose.composition.runners.plan_jobs import refuse_other_jobs  # few runs have others

        refuse_other_jobs(
            staging, identity, command=command, files=lambda: list_files(layout, scratch=staging.scratch)
        )
    staging.resume(identity, command)
    refuse_too_little(staging.folder, estimate_bytes(layout, staging.folder) - staging.finished_bytes)
    return identity


@contextmanager
def _stop_at_end(run: Run) -> Iterator[None]:
    """Leave nothing at work behind."""
    try:
        yield
    finally:
        run.stored_stats.stop()
        run.disk.stop()


@contextmanager
def explain_errors(staging: Staging, layout: Layout) -> Iterator[None]:
    """Say what is behind an error: the folder that is gone, the disk that is full."""
    try:
        yield
    except KeyboardInterrupt as error:
        if staging.keeps:
            error.add_note(
                "What is done is kept, and the same command goes on;"
                f" to remove it: lecompose jobs cancel {shlex.quote(str(staging.folder))}"
            )
        raise
    except Exception as error:
        if not staging.stands:
            raise _folder_gone(staging) from error
        if is_disk_full(error):
            raise OutputUnwritable(
                f"{error}\n{_describe_room(staging, layout)}",
                hint="free some space, or choose another disk with -o",
                path=staging.folder.parent,
            ) from error
        if isinstance(error, OSError) and not isinstance(error, ComposeError):
            raise OutputUnwritable("cannot write the output", reason=error, path=staging.folder) from error
        raise


def _folder_gone(staging: Staging) -> OutputUnwritable:
    return OutputUnwritable(
        "the folder that the output was made in is gone; was it removed during the run?", path=staging.folder
    )


def _describe_room(staging: Staging, layout: Layout) -> str:
    free = free_bytes(staging.folder)
    left = "" if free is None else f", {format_size(free)} are free now"
    return f"the outputs need about {format_size(estimate_bytes(layout, staging.folder))} in all{left}"


def _note_resumed(run: Run) -> None:
    if count := run.counted["files_resumed"]:
        files = "1 file was" if count == 1 else f"{count:,} files were"
        run.notes.append(f"{files} kept from a run that was killed")
