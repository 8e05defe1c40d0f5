"""Place the clips: each one's video file and first frame there, and the job that writes that file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType

from lecompose import formats
from lecompose.composition.jobs import ClipSpan, EncodeClipJob, VideoClip, VideoFileJob
from lecompose.composition.layout.copy_or_encode import OrderedClip, share_bytes
from lecompose.composition.layout.number_files import (
    MIB,
    NO_LIMIT,
    Item,
    keep_whole,
    number_files,
    split_runs,
)
from lecompose.composition.output_spec import OutputSpec


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """Where an output episode's pictures are: the frames [from_frame, to_frame) of a video file."""

    chunk_index: int
    file_index: int
    from_frame: int
    to_frame: int

    def path(self, camera: str) -> str:
        """Return the file, relative to the output's folder."""
        return formats.VIDEO_PATH.format(
            video_key=camera, chunk_index=self.chunk_index, file_index=self.file_index
        )


@dataclass(frozen=True)
class PlacedClips:
    """The jobs that write the video files, in the order of outputs, cameras and files.

    `of_cameras` are the clips of each output and camera, in the order of its episodes.
    """

    jobs: tuple[VideoFileJob, ...] = ()
    of_cameras: Mapping[tuple[str, str], tuple[PlacedClip, ...]] = field(default_factory=dict)


def place_clips(
    output_spec: OutputSpec,
    ordered: Iterable[OrderedClip],
    encode: Mapping[ClipSpan, EncodeClipJob],
    linkable: Mapping[str, int] = MappingProxyType({}),
) -> PlacedClips:
    """Put the clips of all outputs and cameras into files, copied ones and those to be encoded.

    `linkable` are the frames of video files that may be linked where they go whole into an output.
    """
    jobs: list[VideoFileJob] = []
    of_cameras = {}
    for (output, camera), group in groupby(ordered, key=lambda clip: (clip.out_dataset, clip.camera)):
        placed: list[PlacedClip] = []
        for number, clips in _split_into_files(list(group), output_spec, linkable):
            chunk_index, file_index = divmod(number, output_spec.limits.chunk_files)
            cut = tuple(_join(clips, encode))
            link = len(cut) == 1 and _is_whole_file(clips, linkable)
            jobs.append(VideoFileJob(output, camera, chunk_index, file_index, output_spec.fps, cut, link))
            placed += _place(clips, chunk_index, file_index)
        of_cameras[output, camera] = tuple(placed)
    return PlacedClips(tuple(jobs), of_cameras)


def _split_into_files(
    clips: list[OrderedClip], output_spec: OutputSpec, linkable: Mapping[str, int]
) -> Iterator[tuple[int, list[OrderedClip]]]:
    """Yield the number of each video file of a camera, and its clips."""
    limits = output_spec.limits
    joins = limits.concatenate_videos
    parts = (list(group) for _, group in groupby(clips, key=lambda clip: clip.item))
    runs = split_runs(parts, lambda item: not item[0].continues)
    items, begin = keep_whole(runs, lambda clips: _is_whole_file(clips, linkable))
    numbers = number_files(
        map(_item, items, begin),
        limit_bytes=int(limits.video_mb * MIB) if joins else NO_LIMIT,
        limit_frames=int(limits.video_s * output_spec.fps) if joins else NO_LIMIT,
    )
    for number, group in groupby(zip(numbers, items, strict=True), key=lambda pair: pair[0]):
        yield number, [clip for _, item in group for clip in item]


def _is_whole_file(clips: list[OrderedClip], linkable: Mapping[str, int]) -> bool:
    """Return whether clips, one going on from the other, are all frames of a file that may be linked."""
    first, last = clips[0], clips[-1]
    copied = first.copy_from == first.from_frame and all(clip.continues for clip in clips[1:])
    return copied and first.from_frame == 0 and linkable.get(first.video_file) == last.to_frame


def _item(clips: list[OrderedClip], begins: bool) -> Item:
    """Return what cannot be parted; `begins` where a file that is linked stands alone."""
    return Item(
        size_bytes=sum(clip.size_bytes for clip in clips),
        frames=sum(clip.frames for clip in clips),
        must_break=begins or any(clip.must_break for clip in clips),
    )


def _join(clips: list[OrderedClip], encode: Mapping[ClipSpan, EncodeClipJob]) -> Iterator[VideoClip]:
    """Yield the runs of source frames of a file, clips that continue each other as one.

    Of the first clip of a run some frames may be encoded again: they come by themselves, before the others.
    """
    from_frame = 0
    for run in split_runs(clips, lambda clip: not clip.continues):
        first, end = run[0], run[-1].to_frame
        frames, size_bytes = sum(clip.frames for clip in run), sum(clip.size_bytes for clip in run)
        begun, ahead, ahead_bytes = 0, 0, 0
        episodes = sum(not clip.joins for clip in run)
        if first.copy_from > first.from_frame:
            span = (first.video_file, first.from_frame, first.copy_from, first.in_front)
            ahead = first.copy_from - first.from_frame if first.copy_from < first.to_frame else frames
            begun, ahead_bytes = int(not first.joins), share_bytes(first.size_bytes, first)
            yield VideoClip(*span[:3], from_frame, ahead, begun, ahead_bytes, encode[span])
        if first.copy_from < end:
            rest = (from_frame + ahead, frames - ahead, episodes - begun, size_bytes - ahead_bytes)
            yield VideoClip(first.video_file, first.copy_from, end, *rest)
        from_frame += frames


def _place(clips: Iterable[OrderedClip], chunk_index: int, file_index: int) -> Iterator[PlacedClip]:
    """Yield where each episode is, all its pieces."""
    from_frame = 0
    for _, pieces in groupby(clips, key=lambda clip: clip.out_episode):
        end = from_frame + sum(clip.frames for clip in pieces)
        yield PlacedClip(chunk_index, file_index, from_frame, end)
        from_frame = end
