"""The jobs that make video files: one writes a file from clips, one encodes a clip that cannot be copied."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

from lecompose import formats
from lecompose.files import mp4

ClipSpan: TypeAlias = tuple[str, int, int, bool]
"""Source video file, first frame, one past the last, and whether packets of the source follow it.

A clip may stand in several outputs.
"""


@dataclass(frozen=True)
class EncodeClipJob:
    """The frames [src_from_frame, src_to_frame) of a source video, every `stride`-th of them encoded again.

    With other `threads` an encoder gives other bytes. `title` is the clip as messages name it.
    Units: `fps` is the output's rate, in frames a second; `size_bytes` those of the source's frames.
    """

    title: str
    video_file: str
    src_from_frame: int
    src_to_frame: int
    stride: int
    fps: Fraction
    encoding: mp4.Encoding
    threads: int
    size_bytes: int

    @property
    def span(self) -> ClipSpan:
        return self.video_file, self.src_from_frame, self.src_to_frame, self.encoding.in_front


@dataclass(frozen=True)
class VideoClip:
    """A run of source frames, cut out as one, whose first is frame `from_frame` of the output file.

    `episodes` begin in it, one behind the other; the first frames of one may be encoded again, and its others
    follow as a clip in which none begins. `encode` says how it is encoded again, None where it is copied.
    """

    video_file: str
    src_from_frame: int
    src_to_frame: int
    from_frame: int
    frames: int
    episodes: int
    size_bytes: int
    encode: EncodeClipJob | None = None

    @property
    def span(self) -> ClipSpan:
        in_front = self.encode is not None and self.encode.encoding.in_front
        return self.video_file, self.src_from_frame, self.src_to_frame, in_front


@dataclass(frozen=True)
class VideoFileJob:
    """One video file of an output: clip behind clip, frame k at exactly k / fps.

    Where its one clip is a whole file, `link` says that it may be that file's second name.
    """

    out_dataset: str
    camera: str
    chunk_index: int
    file_index: int
    fps: Fraction
    clips: tuple[VideoClip, ...]
    link: bool = False

    @property
    def path(self) -> str:
        """The file, relative to the output's folder."""
        return formats.VIDEO_PATH.format(
            video_key=self.camera, chunk_index=self.chunk_index, file_index=self.file_index
        )

    @cached_property
    def frames(self) -> int:
        return sum(clip.frames for clip in self.clips)

    @cached_property
    def episodes(self) -> int:
        return sum(clip.episodes for clip in self.clips)

    @cached_property
    def size_bytes(self) -> int:
        """What the frames take in their sources."""
        return sum(clip.size_bytes for clip in self.clips)


@dataclass(frozen=True)
class VideoFileResult:
    """A video file that is written.

    `psnr_db` is how near each clip's pictures came to the source's, None where they are copied.
    Units: `bytes_copied` of a file taken whole, `bytes_remuxed` of packets moved into new tables,
    `bytes_encoded` of clips encoded again, `bytes_linked` of a file that was not copied at all.
    """

    frames: int
    size_bytes: int
    bytes_copied: int
    bytes_remuxed: int
    bytes_encoded: int
    psnr_db: tuple[float | None, ...]
    bytes_linked: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """What reports add up."""
        return {
            "bytes_copied": self.bytes_copied,
            "bytes_remuxed": self.bytes_remuxed,
            "bytes_encoded": self.bytes_encoded,
            "bytes_encoded_video": self.bytes_encoded,
            "bytes_linked": self.bytes_linked,
        }
