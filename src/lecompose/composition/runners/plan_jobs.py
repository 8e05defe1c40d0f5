"""Write the jobs of a run down, for others to carry out."""

from pathlib import Path

from lecompose.composition.layout import Layout
from lecompose.composition.resume import Staging
from lecompose.composition.runners.job_folder import JOBS, JobFolder, PlannedRequest
from lecompose.composition.runners.job_list import write_job_list
from lecompose.errors import ComposeError, OutputBusy, OutputUnwritable


def refuse_other_jobs(staging: Staging, fingerprint: str) -> None:
    """Refuse to begin where the jobs of another request are planned: somebody may be at work on them.

    Raises:
        OutputBusy: naming the way out.
    """
    folder = JobFolder(staging.folder / JOBS)
    if not folder.stands:
        return
    try:
        same = folder.request.fingerprint == fingerprint
    except ComposeError:  # of another version
        same = False
    if not same:
        raise OutputBusy(
            "jobs of another request are planned for this output, or a source has changed since",
            hint=f"lecompose jobs cancel {staging.folder}",
            path=staging.folder,
        )


def plan_jobs(layout: Layout, staging: Staging, *, words: tuple[str, ...], fingerprint: str) -> JobFolder:
    """Write the plan, its jobs and the request; what workers have done of the same request stays.

    Raises:
        OutputUnwritable: if it cannot be written.
    """
    folder = JobFolder(staging.folder / JOBS)
    if folder.stands:
        staging.keep()
        return folder
    try:
        folder.begin()
        folder.write_plan(layout.plan)
        write_job_list(layout, folder.path / "jobs.parquet")
        folder.write_request(PlannedRequest(words, str(Path.cwd()), fingerprint))
    except OSError as error:
        raise OutputUnwritable("the jobs cannot be written", reason=error, path=folder.path) from error
    return folder
