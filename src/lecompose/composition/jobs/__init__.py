"""Jobs: what is to be written, one value for each output file, decided before a byte is written.

A job says all that its output file depends on. One function carries it out, in this process or, sent there as
text, in another; it may be carried out again, and gives the same bytes.
"""

from lecompose.composition.jobs.data_file_job import (
    ABSENT,
    ComputedColumn,
    DataFileJob,
    DataFileResult,
    EpisodeRows,
    SourceColumns,
)
from lecompose.composition.jobs.job_json import Job, decode_job, encode_job, name_kind
from lecompose.composition.jobs.measure_pictures_job import FrameRange, MeasurePicturesJob
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
    "FrameRange",
    "Job",
    "MeasurePicturesJob",
    "SourceColumns",
    "VideoClip",
    "VideoFileJob",
    "VideoFileResult",
    "decode_job",
    "encode_job",
    "name_kind",
]
