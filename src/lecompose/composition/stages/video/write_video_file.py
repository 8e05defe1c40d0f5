"""Carry out the job of one video file: sample tables rebuilt, media bytes moved by the kernel.

Only clips that cannot be copied without frames of others are decoded and encoded again, each by itself,
before the file is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lecompose.composition.jobs import ClipSpan, EncodeClipJob, VideoClip, VideoFileJob, VideoFileResult
from lecompose.concurrency import Workers
from lecompose.errors import MediaError
from lecompose.files import mp4


@dataclass
class VideoSources:
    """The videos that jobs read: `probed` ones by path, and clips that are `encoded` already, by their span.

    Others are probed when they are asked for, and encoded into `scratch`.
    """

    scratch: Path
    probed: Mapping[str, mp4.Video] = field(default_factory=dict)
    encoded: Mapping[ClipSpan, mp4.EncodedVideo] = field(default_factory=dict)

    def find(self, path: str) -> mp4.Video:
        """Return a source video."""
        return self.probed.get(path) or mp4.probe(Path(path), scratch=self.scratch)


def write_video_file(
    job: VideoFileJob, folder: Path, sources: VideoSources, workers: Workers
) -> VideoFileResult:
    """Write the file of a job into the folder of its output. Nothing else is touched; it may be done again.

    Raises:
        MediaError: if a source cannot be read, or a frame does not land where the job says.
        OutputUnwritable: if the file cannot be written.
    """
    path = folder / job.path
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = [_encode_clip(clip, sources, workers) for clip in job.clips]
    segments = [_segment(clip, new, sources) for clip, new in zip(job.clips, encoded, strict=True)]
    written = mp4.concat(segments, path, fps=job.fps, on_bytes=workers.advance, link=job.link)
    _refuse_elsewhere(job, written, path)
    psnr_db = tuple(None if new is None else new.psnr_db for new in encoded)
    moved = _count_moved(written, encoded)
    return VideoFileResult(written.frames, written.size_bytes, *moved, psnr_db, written.bytes_linked)


def _count_moved(written: mp4.WrittenVideo, encoded: list[mp4.EncodedVideo | None]) -> tuple[int, int, int]:
    """Return the bytes of a file taken whole, of packets moved, and of what was encoded again."""
    if None not in encoded:
        return 0, 0, written.bytes_copied + written.bytes_remuxed
    new = sum(int(each.video.track.sizes.sum()) for each in encoded if each is not None)
    return written.bytes_copied, written.bytes_remuxed - new, new


def encode_clip(job: EncodeClipJob, sources: VideoSources, workers: Workers) -> mp4.EncodedVideo:
    """Encode a clip into a new file in the scratch folder.

    Raises:
        MediaError: if a frame does not decode, or the encoder refuses.
        OutputUnwritable: if the file cannot be written.
    """
    share = _ByFrames(job, workers)
    try:
        encoded = mp4.encode(
            mp4.Segment(sources.find(job.video_file), job.src_from_frame, job.src_to_frame),
            job.encoding,
            scratch=sources.scratch,
            fps=job.fps,
            stride=job.stride,
            threads=job.threads,
            on_frame=share.advance,
        )
    except MediaError as error:
        raise MediaError(job.title, reason=error) from error
    share.finish()
    return encoded


class _ByFrames:
    """The progress of a clip that is encoded, frame by frame of its source."""

    def __init__(self, job: EncodeClipJob, workers: Workers) -> None:
        self._workers, self._left = workers, job.size_bytes
        self._each = job.size_bytes // max(1, job.src_to_frame - job.src_from_frame)

    def advance(self) -> None:
        """One more frame is decoded. Raises Stopped where another job has failed."""
        done = min(self._each, self._left)
        self._left -= done
        self._workers.advance(done)

    def finish(self) -> None:
        """All frames are encoded."""
        self._workers.advance(self._left)
        self._left = 0


def _encode_clip(clip: VideoClip, sources: VideoSources, workers: Workers) -> mp4.EncodedVideo | None:
    """Return the clip encoded again; None where it is copied."""
    if clip.encode is None:
        return None
    return sources.encoded.get(clip.span) or encode_clip(clip.encode, sources, workers)


def _segment(clip: VideoClip, encoded: mp4.EncodedVideo | None, sources: VideoSources) -> mp4.Segment:
    if encoded is not None:
        return mp4.Segment(encoded.video, 0, encoded.video.frames)
    return mp4.Segment(sources.find(clip.video_file), clip.src_from_frame, clip.src_to_frame)


def _refuse_elsewhere(job: VideoFileJob, written: mp4.WrittenVideo, path: Path) -> None:
    """Refuse a file in which a frame is not where the layout has it, or is of no episode."""
    planned = tuple(clip.from_frame for clip in job.clips)
    if (written.starts, written.frames) != (planned, job.frames):
        raise MediaError(
            f"{written.frames} frames landed at {written.starts[:5]}, the layout says {job.frames}"
            f" at {planned[:5]}; did a source change during the run?",
            path=path,
        )
