"""Public functions for jobs that were planned for others to carry out."""

from collections.abc import Callable

from lecompose.composition.named_sources import PathLike
from lecompose.composition.runners.cancel_jobs import cancel_jobs as _cancel_jobs
from lecompose.composition.runners.collect import refuse_failed
from lecompose.composition.runners.describe_jobs import JobStatus, describe_jobs
from lecompose.composition.runners.job_folder import open_job_folder
from lecompose.composition.runners.job_list import parse_shard
from lecompose.composition.runners.worker import Outcome, carry_out_tasks


def run_jobs(
    folder: PathLike,
    *,
    shard: str | None = None,
    threads: int | None = None,
    memory: str | None = None,
    on_done: Callable[[str], None] = lambda title: None,
) -> Outcome:
    """Carry out the jobs planned in `folder` that are still to be done, or a share of them as "3/64".

    A job is carried out when those that it needs are done, by whoever: a video file needs its encoded clips.
    Jobs that wait for those of others are left to a later call, in the end to `lecompose jobs finish`. Return
    what was done. `on_done` is called for each job, with its title.

    Raises:
        RequestError: if no jobs are planned there, or for a share that does not exist.
        ComposeError: for jobs that failed, each tried three times, once all others are done.
    """
    jobs = open_job_folder(folder)
    tasks = jobs.jobs.tasks if shard is None else parse_shard(shard).choose(jobs.jobs.tasks)
    try:
        outcome = carry_out_tasks(
            jobs, tasks, threads=threads, memory=memory, on_done=lambda task, _: on_done(task.title)
        )
    except KeyboardInterrupt as error:
        error.add_note("What is done is kept, and the same command goes on.")
        raise
    refuse_failed(jobs, outcome.failed, jobs.read_records())
    return outcome


def job_status(folder: PathLike) -> JobStatus:
    """Return how far the jobs planned in `folder` are, as their workers tell.

    Raises:
        RequestError: if no jobs are planned there.
    """
    return describe_jobs(open_job_folder(folder))


def cancel_jobs(folder: PathLike) -> None:
    """Take the jobs planned in `folder` back, and remove it with all that was made for them.

    Raises:
        RequestError: if no jobs are planned there.
        OutputBusy: while another run holds the folder.
    """
    _cancel_jobs(open_job_folder(folder))
