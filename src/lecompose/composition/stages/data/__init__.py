"""Writes the data parquet files, several at once; `write_data_file` carries out the job of one."""

from lecompose.composition.context import Run
from lecompose.composition.jobs import DataFileJob
from lecompose.composition.stages.data.write_data_file import write_data_file

# How often an episode is held while it is written: its pages and values as read, and as they are written.
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

    run.workers.each(jobs, write, threads=_count_at_once(run, jobs))


def _count_at_once(run: Run, jobs: list[DataFileJob]) -> int:
    """Return how many files may be written at once, for the memory there is: of each one episode is held."""
    largest = max((episode.size_bytes for job in jobs for episode in job.episodes), default=0)
    return max(1, min(run.engine.threads, run.engine.memory_bytes // max(1, _COPIES * largest)))
