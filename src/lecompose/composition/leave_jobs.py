"""Plan the jobs of a run and leave them to others: whoever calls `jobs run` and `jobs finish`, or SLURM."""

from collections.abc import Mapping
from dataclasses import replace

from lecompose.composition.destination import Destinations
from lecompose.composition.execute import begin, explain_errors
from lecompose.composition.layout import Layout
from lecompose.composition.machines import SLURM, Machines
from lecompose.composition.report import PlannedJobs, Report, preview
from lecompose.composition.resume import Staging
from lecompose.composition.runners.plan_jobs import plan_jobs
from lecompose.composition.runners.slurm_arrays import SlurmArrays
from lecompose.errors import OutputUnwritable


def leave_jobs(
    layout: Layout,
    destinations: Destinations,
    *,
    command: str,
    words: tuple[str, ...],
    staging: Staging,
    machines: Machines,
    before: Mapping[str, float],
) -> Report:
    """Write the jobs of a layout into the staging folder, hand them to a scheduler if asked, and return.

    Raises:
        OutputBusy: if jobs of another request are planned there, or these are with a scheduler already.
        OutputUnwritable: if they cannot be written, there is not room enough for the outputs, or nobody could
            find the jobs again.
        RequestError: what the scheduler says where it refuses.
    """
    scheduler = SlurmArrays(machines.slurm) if machines.runner == SLURM else None
    if staging.lock is None:
        raise OutputUnwritable(
            "jobs cannot be left to others: the output's file system has no locks, so nobody would find them",
            hint="another -o",
            path=staging.folder.parent,
        )
    with explain_errors(staging, layout):
        identity = begin(staging, layout, command)
        folder = plan_jobs(layout, staging, command=command, words=words, fingerprint=identity)
        scheduled = scheduler.submit(folder, finish=True) if scheduler else ()
        staging.keep()
    planned = PlannedJobs(str(staging.folder), len(folder.jobs.tasks), scheduled)
    report = preview(layout, destinations, seconds=dict(before))
    return replace(report, dry_run=False, plan=None, planned=planned)
