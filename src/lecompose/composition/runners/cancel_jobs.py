"""Take jobs back: from the scheduler, from their workers, and from the disk."""

from lecompose.composition.resume.staging_folder import claim
from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.slurm_arrays import cancel


def cancel_jobs(folder: JobFolder) -> None:
    """Remove the folder and all that was made for its jobs; workers end when they come to their next job.

    Raises:
        OutputBusy: while another run holds the folder.
        OutputUnwritable: if it cannot be removed.
    """
    cancel(folder.request.scheduled)
    staging = claim(folder.staging)
    try:
        folder.remove()
    finally:
        staging.discard()
        staging.close()
