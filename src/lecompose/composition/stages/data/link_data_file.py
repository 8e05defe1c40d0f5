"""Give a data file of the dataset that is replaced another name, where the output would have the same one."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lecompose.composition.jobs import DataFileJob
from lecompose.composition.stages.data.number_rows import RowNumbers
from lecompose.dataset.convert import stored_names
from lecompose.errors import SourceBroken
from lecompose.files.links import link_file
from lecompose.files.parquet.damage import reading_parquet
from lecompose.files.parquet.footers import build_empty_footer
from lecompose.formats import BOOKKEEPING


def link_data_file(job: DataFileJob, path: Path) -> bool:
    """Return whether `path` is a second name of the file that has all rows of a job as the output has them.

    That is a file of the dataset which the output replaces: LeRobot writes into data files where they lie, so
    that no two datasets may share one.

    Raises:
        OSError: if the file system refuses.
    """
    if not job.link or job.task_columns:
        return False
    source = Path(job.episodes[0].data_file)
    try:
        with reading_parquet(source):
            if not (_has_same_form(job, source) and _has_same_numbers(job, source)):
                return False
    except SourceBroken:
        return False  # whoever decodes it tells better what is wrong
    path.unlink(missing_ok=True)
    return link_file(source, path)


def _has_same_form(job: DataFileJob, source: Path) -> bool:
    """Return whether columns, types and row groups are those of the output, and so is what describes them."""
    own = stored_names(job.schema, job.sources[job.episodes[0].src_dataset].takes)
    footer = pq.read_metadata(source)
    groups = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    return (
        all(name == stored for name, stored in own.items())
        and footer.schema.equals(build_empty_footer(job.schema).schema)
        and footer.schema.to_arrow_schema().equals(job.schema, check_metadata=True)
        and groups == [episode.length for episode in job.episodes]
    )


def _has_same_numbers(job: DataFileJob, source: Path) -> bool:
    """Return whether the rows are numbered as the output's."""
    names = list(BOOKKEEPING)
    stored = pq.read_table(source, columns=names, partitioning=None)
    if any(column.null_count for column in stored.columns):
        return False
    wanted = RowNumbers(job).number(0, stored["task_index"].to_numpy())
    return all(np.array_equal(stored[name].to_numpy(), wanted[name]) for name in names)
