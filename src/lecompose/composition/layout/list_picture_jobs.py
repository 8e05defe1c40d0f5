"""The jobs that measure pictures, where statistics of pictures are wanted: one for each file and camera."""

from collections.abc import Iterator, Sequence

from lecompose.composition.jobs import DataFileJob, FrameRange, MeasurePicturesJob
from lecompose.composition.layout.place_clips import PlacedClips
from lecompose.composition.output_spec import OutputSpec
from lecompose.formats import Feature
from lecompose.statistics import can_be_counted


def list_picture_jobs(
    output_spec: OutputSpec, data_jobs: Sequence[DataFileJob], clips: PlacedClips
) -> Iterator[MeasurePicturesJob]:
    """Yield the jobs, in the order of the cameras, outputs and files.

    Depth pictures of floats have none: those of all files are sorted together.
    """
    wanted = output_spec.statistics
    cameras = [f for f in output_spec.features if f.is_visual and wanted.pictures and can_be_counted(f)]
    for camera in cameras:
        found = _of_videos(clips, camera) if camera.is_video else _of_data(data_jobs)
        for out_dataset, path, episodes, size_bytes in found:
            yield MeasurePicturesJob(out_dataset, path, camera, tuple(episodes), wanted.quantiles, size_bytes)


def _of_data(jobs: Sequence[DataFileJob]) -> Iterator[tuple[str, str, list[FrameRange], int]]:
    for job in jobs:
        row, episodes = 0, []
        for length in job.lengths:
            episodes.append(FrameRange(row, row + length))
            row += length
        yield job.out_dataset, job.path, episodes, job.size_bytes


def _of_videos(clips: PlacedClips, camera: Feature) -> Iterator[tuple[str, str, list[FrameRange], int]]:
    in_files: dict[tuple[str, str], list[FrameRange]] = {}
    for (out_dataset, name), placed in clips.of_cameras.items():
        for clip in placed if name == camera.name else ():
            episodes = in_files.setdefault((out_dataset, clip.path(name)), [])
            episodes.append(FrameRange(clip.from_frame, clip.to_frame))
    for job in clips.jobs:
        if job.camera == camera.name:
            yield job.out_dataset, job.path, in_files[job.out_dataset, job.path], job.size_bytes
