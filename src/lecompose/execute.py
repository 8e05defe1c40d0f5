"""Carries a layout out: stages in order, in a staging folder beside the destination, all or nothing."""

import time
from collections.abc import Callable
from pathlib import Path

from lecompose.destination import Destinations
from lecompose.layout import Layout
from lecompose.report import Report, finished
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


def execute(
    layout: Layout,
    destinations: Destinations,
    *,
    command: str,
    staging: Path,
    overwrite: bool,
    progress: Progress,
    planned_s: float,
) -> Report:
    """The report of a layout carried out; on any error every destination is untouched.

    Units: `planned_s` is the wall time, in seconds, that opening and planning took.
    Errors: what the stages raise; VerifyError where the result broke a promise.
    """
    made = staging / "outputs"
    folders = {output: made / output for output in destinations.folders}
    moves = {folders[output]: folder for output, folder in destinations.folders.items()}
    run = Run(
        layout=layout,
        folders=folders,
        moves={made: destinations.root} if destinations.appear_at_once else moves,
        scratch=staging,
        progress=progress,
        command=command,
        overwrite=overwrite or destinations.in_place,
        in_place=destinations.in_place,
    )
    seconds = {"plan": planned_s}
    for name, stage in STAGES:
        start = time.perf_counter()
        stage(run)
        seconds[name] = time.perf_counter() - start
    return finished(run, destinations, seconds=seconds)
