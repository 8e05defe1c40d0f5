"""Writes the data parquet files: frames move in order, bookkeeping columns are filled from the plan.

Row groups are copied as they are encoded wherever that can be. The rest is decoded and encoded again.
"""

from lecompose.composition.context import Run
from lecompose.composition.jobs import DataFileJob
from lecompose.composition.stages.data.write_data_file import write_data_file

# Of an episode: its compressed page, its values, and those that are about to be written.
_COPIES = 4


def write_data(run: Run) -> None:
    """Write every data file of every output, one job a file.

    Raises:
        SourceBroken: if rows are not what the catalog saw.
        OutputUnwritable: if a file cannot be written.
    """
    jobs = run.unfinished(run.layout.data_jobs)
    run.progress.stage("data", sum(job.size_bytes for job in jobs), sum(len(job.episodes) for job in jobs))

    def write(job: DataFileJob) -> None:
        result = write_data_file(job, run.folders[job.out_dataset], run.engine, run.workers)
        if not result.bytes_linked:  # it is linked again as fast as it is found
            run.finish(job)
        run.count_all(result.counts)

    run.workers.each(jobs, write, threads=_threads(run, jobs))


def _threads(run: Run, jobs: list[DataFileJob]) -> int:
    """Return how many files may be written at once: of each an episode is held, and what it was read from."""
    largest = max((episode.size_bytes for job in jobs for episode in job.episodes), default=0)
    return max(1, min(run.engine.threads, run.engine.memory_bytes // max(1, _COPIES * largest)))
