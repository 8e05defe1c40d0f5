"""Writes the data parquet files: frames move in order, bookkeeping columns are filled from the plan.

What can be is spliced: chunks of columns are copied as they are encoded. The rest is decoded and
written anew.
"""

from collections.abc import Iterator

from lecompose.composition.context import Run
from lecompose.composition.layout import jobs
from lecompose.composition.stages.data.copy_row_groups import NotAligned, Splicer, splicer
from lecompose.composition.stages.data.decode_rows import finished
from lecompose.composition.stages.data.encode_rows import Write, writer
from lecompose.composition.stages.data.output_file import NO_TASKS, OutputFile, task_maps
from lecompose.errors import OutputUnwritable

# Of an episode: its compressed page, its values, and those that are about to be written.
_COPIES = 4


def data(run: Run) -> None:
    """Write every data file of every output, one job a file.

    Errors: SourceBroken where rows are not what the catalog saw; OutputUnwritable.
    """
    files = run.unfinished(list(_files(run)))
    run.progress.stage("data", sum(f.size_bytes for f in files), sum(len(f.episodes) for f in files))
    splice, write = splicer(run) if files else None, writer(run)
    run.workers.each(files, lambda file: _write_file(run, file, splice, write), threads=_threads(run, files))


def _threads(run: Run, files: list[OutputFile]) -> int:
    """How many files may be written at once: of each an episode is held, and what it was read from."""
    largest = max((int(e["size_bytes"]) for file in files for e in file.episodes), default=0)
    return max(1, min(run.engine.threads, run.engine.memory_bytes // max(1, _COPIES * largest)))


def _files(run: Run) -> Iterator[OutputFile]:
    key = ("out_dataset", "file_number")
    reads = dict(jobs(run.engine.rows("layout/all_reads"), *key))
    tasks = task_maps(run.engine.rows("layout/all_task_maps"))
    subtasks = task_maps(run.engine.rows("layout/subtask_map")) if run.layout.has_subtasks else {}
    for at, episodes in jobs(run.engine.rows("layout/all_episodes"), *key):
        path = run.data_file(at[0], episodes[0])
        yield OutputFile(path, reads[at], episodes, tasks[at[0]], subtasks.get(at[0], NO_TASKS))


def _write_file(run: Run, file: OutputFile, splice: Splicer | None, write: Write) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        copied = _spliced(file, splice)
        if copied is None:
            write(file, finished(run, file))
    except OSError as error:
        raise OutputUnwritable("cannot write data", reason=error, path=file.path) from error
    run.finish(file.path)
    run.count("bytes_spliced", copied or 0)
    run.count("bytes_encoded", file.path.stat().st_size - (copied or 0))


def _spliced(file: OutputFile, splice: Splicer | None) -> int | None:
    """The bytes that were copied into a file as they are encoded; None where its rows have to be decoded."""
    try:
        return None if splice is None else splice.write(file)
    except NotAligned:
        return None
