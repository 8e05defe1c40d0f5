"""Carry out the job of a data file: copy its row groups where that can be, else decode and encode rows."""

import gc
from pathlib import Path

from lecompose.composition.jobs import DataFileJob, DataFileResult
from lecompose.composition.stages.data.copy_row_groups import NotAligned, copy_row_groups
from lecompose.composition.stages.data.decode_rows import decode_rows
from lecompose.composition.stages.data.encode_rows import encode_rows
from lecompose.composition.stages.data.link_data_file import link_data_file
from lecompose.concurrency import Workers
from lecompose.engine import Engine
from lecompose.errors import OutputUnwritable


def write_data_file(job: DataFileJob, folder: Path, engine: Engine, workers: Workers) -> DataFileResult:
    """Write the file of a job into the folder of its output. Nothing else is touched; it may be done again.

    Raises:
        SourceBroken: if rows are not what the job says.
        OutputUnwritable: if the file cannot be written.
    """
    path = folder / job.path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if link_data_file(job, path):
            size_bytes = path.stat().st_size
            return DataFileResult(job.rows, size_bytes, bytes_linked=size_bytes)
        bytes_copied = _copy(job, path, workers)
        if bytes_copied is None:
            encode_rows(job, decode_rows(job, engine, workers), path, engine)
    except OSError as error:
        raise OutputUnwritable("cannot write data", reason=error, path=path) from error
    finally:
        # Footers of sources hang in cycles: megabytes behind few objects, which the command line frees late.
        gc.collect(0)
    return DataFileResult(job.rows, path.stat().st_size, bytes_copied or 0)


def _copy(job: DataFileJob, path: Path, workers: Workers) -> int | None:
    """Return the bytes that were copied as they are encoded; None where the rows have to be decoded."""
    try:
        return copy_row_groups(job, path, workers) if job.may_copy else None
    except NotAligned:
        return None
