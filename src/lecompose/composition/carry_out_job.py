"""Carry out one job by itself: in this process or another, once or again, with the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lecompose.composition.jobs import (
    ClipSpan,
    DataFileJob,
    DataFileResult,
    EncodeClipJob,
    VideoFileJob,
    VideoFileResult,
)
from lecompose.composition.stages.data.write_data_file import write_data_file
from lecompose.composition.stages.video.write_video_file import VideoSources, encode_clip, write_video_file
from lecompose.engine import Engine
from lecompose.files import mp4


def carry_out_job(
    job: DataFileJob | VideoFileJob | EncodeClipJob,
    folder: Path,
    engine: Engine,
    *,
    scratch: Path | None = None,
    encoded: Mapping[ClipSpan, mp4.EncodedVideo] = MappingProxyType({}),
) -> DataFileResult | VideoFileResult | mp4.EncodedVideo:
    """Write the file of a job into the folder of its output; encode a clip into `scratch`, or the engine's.

    Nothing else is touched. Clips that are `encoded` already are not encoded again.

    Raises:
        SourceError: if a source is not what the job says.
        MediaError: if a video cannot be read, or a clip cannot be encoded.
        OutputUnwritable: if the file cannot be written.
    """
    workers = engine.workers()
    if isinstance(job, DataFileJob):
        return write_data_file(job, folder, engine, workers)
    sources = VideoSources(scratch or engine.scratch, encoded=encoded)
    if isinstance(job, VideoFileJob):
        return write_video_file(job, folder, sources, workers)
    return encode_clip(job, sources, workers)
