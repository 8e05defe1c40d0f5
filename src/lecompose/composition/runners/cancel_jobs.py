"""Take jobs back: from the scheduler, from their workers, and from the disk."""

from lecompose.composition.resume.staging_folder import claim
from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.slurm_arrays import cancel


def cancel_jobs(folder: JobFolder) -> None:
    """Take the jobs back and remove all that was made for them; workers end when they come to their next one.

    Raises:
        OutputBusy: while another run holds the folder.
        OutputUnwritable: if it cannot be removed.
    """
    staging = claim(folder.staging)
    try:
        cancel(folder.request.scheduled)
    finally:
        staging.discard()
        staging.close()
