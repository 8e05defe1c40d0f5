"""Jobs: what is to be written, one value for each output file, decided before a byte is written.

A job says all that its output file depends on. One function carries it out, in this process or, read back
from a file, in another; it may be carried out again, and gives the same bytes.
"""

from lecompose.composition.jobs.data_file_job import (
    ABSENT,
    ComputedColumn,
    DataFileJob,
    DataFileResult,
    EpisodeRows,
    SourceColumns,
)
from lecompose.composition.jobs.job_file import Job, read_job, write_job
from lecompose.composition.jobs.video_file_job import (
    ClipSpan,
    EncodeClipJob,
    VideoClip,
    VideoFileJob,
    VideoFileResult,
)

__all__ = [
    "ABSENT",
    "ClipSpan",
    "ComputedColumn",
    "DataFileJob",
    "DataFileResult",
    "EncodeClipJob",
    "EpisodeRows",
    "Job",
    "SourceColumns",
    "VideoClip",
    "VideoFileJob",
    "VideoFileResult",
    "read_job",
    "write_job",
]
