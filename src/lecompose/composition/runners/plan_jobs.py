"""Write the jobs of a run down, for others to carry out."""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from lecompose.composition.layout import Layout
from lecompose.composition.resume import Staging
from lecompose.composition.runners.job_folder import JOBS, JobFolder, PlannedRequest
from lecompose.composition.runners.job_list import write_job_list
from lecompose.errors import OutputBusy, OutputUnwritable, RequestError, few
from lecompose.files.fsync import sync_file


def refuse_other_jobs(
    staging: Staging, fingerprint: str, *, command: str, files: Callable[[], Iterable[str]]
) -> None:
    """Refuse to begin where the jobs of another request are planned: somebody may be at work on them.

    `files` are those that this request reads: where it is the same command, one of them is another now.

    Raises:
        OutputBusy: naming the way out.
    """
    folder = JobFolder(staging.folder / JOBS)
    if not folder.stands:
        return
    try:
        planned = folder.request
    except RequestError as error:  # of another version
        raise OutputBusy(
            error.problem,
            hint=f"lecompose jobs cancel {shlex.quote(str(staging.folder))}",
            path=staging.folder,
        ) from error
    if planned.fingerprint == fingerprint:
        return
    if planned.command != command:
        raise OutputBusy(
            f"jobs of another request are planned for this output: lecompose {shlex.join(planned.words)}",
            hint=f"lecompose jobs finish {shlex.quote(str(staging.folder))}, or jobs cancel",
            path=staging.folder,
        )
    raise OutputBusy(
        f"{_describe_change(folder, files())} since these jobs were planned",
        hint=f"lecompose jobs cancel {shlex.quote(str(staging.folder))}, and the command again",
        path=staging.folder,
    )


def _describe_change(folder: JobFolder, files: Iterable[str]) -> str:
    """Return what is another than when the jobs were planned, as the clocks of the file systems tell."""
    planned_s = folder.jobs_file.stat().st_mtime
    changed = [path for path in files if Path(path).stat().st_ctime > planned_s]
    if not changed:
        return "a source, or the plan that the command leads to, has changed"
    return f"{few(changed)} {'has' if len(changed) == 1 else 'have'} changed"


def plan_jobs(
    layout: Layout, staging: Staging, *, command: str, words: tuple[str, ...], fingerprint: str
) -> JobFolder:
    """Write the plan, its jobs and the request; what workers have done of the same request stays.

    Raises:
        OutputUnwritable: if it cannot be written.
    """
    folder = JobFolder(staging.folder / JOBS)
    if folder.stands:
        staging.keep()
        return folder
    staging.keep_scratch()
    try:
        folder.begin()
        folder.write_plan(layout.plan)
        write_job_list(layout, folder.jobs_file)
        sync_file(folder.jobs_file)
        folder.write_request(PlannedRequest(words, command, str(Path.cwd()), fingerprint))
    except OSError as error:
        raise OutputUnwritable("the jobs cannot be written", reason=error, path=folder.path) from error
    return folder
