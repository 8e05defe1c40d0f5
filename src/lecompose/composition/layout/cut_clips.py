"""Decide which clips are copied, and which have to be encoded again because they lean on frames of others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lecompose.composition.jobs import ClipSpan, EncodeClipJob
from lecompose.composition.layout.probe_clips import Probed, clip_title
from lecompose.composition.output_spec import OutputSpec
from lecompose.engine import Engine
from lecompose.errors import MediaError
from lecompose.files import mp4

_PIECES = pa.schema(
    [
        ("src_dataset", pa.string()),
        ("src_episode", pa.int64()),
        ("episode_from", pa.int64()),
        ("episode_to", pa.int64()),
        ("camera", pa.string()),
        ("video_file", pa.string()),
        ("from_frame", pa.int64()),
        ("to_frame", pa.int64()),
        ("preroll", pa.int64()),
        ("postroll", pa.int64()),
        ("size_bytes", pa.int64()),
        ("compat_key", pa.string()),
        ("closed_gop", pa.bool_()),
        ("stride", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Reencoded:
    """One clip whose packets cannot be copied without frames of others; `reason` says why.

    `psnr_db` is how near the encoded pictures came to the source's, infinite where nothing was lost; None
    before the run.
    """

    output: str
    episode: int
    camera: str
    src_dataset: str
    src_episode: int
    frames: int
    reason: str
    psnr_db: float | None = None

    @property
    def clip(self) -> str:
        """The clip as messages name it."""
        return clip_title(self.camera, self.src_dataset, self.src_episode)


@dataclass(frozen=True, slots=True)
class UncutClip:
    """A clip of the plan that cannot be copied, and how many frames it leans on in vain."""

    out_dataset: str
    camera: str
    out_episode: int
    src_dataset: str
    src_episode: int
    video_file: str
    from_frame: int
    to_frame: int
    size_bytes: int
    stride: int
    frames_before: int
    frames_behind: int

    @property
    def span(self) -> ClipSpan:
        return self.video_file, self.from_frame, self.to_frame

    @property
    def title(self) -> str:
        """The clip as messages name it."""
        return clip_title(self.camera, self.src_dataset, self.src_episode)

    @property
    def reason(self) -> str:
        """Why it is encoded again."""
        reasons = []
        if self.stride > 1:
            reasons.append(f"of every {self.stride} frames one is taken")
        if self.frames_before:
            reasons.append(f"starts {_frames(self.frames_before)} behind a keyframe")
        if self.frames_behind:
            reasons.append(f"its last frames need {_frames(self.frames_behind)} behind it")
        return ", and ".join(reasons)

    def as_reencoded(self) -> Reencoded:
        """Return the clip as reports have it."""
        return Reencoded(
            output=self.out_dataset,
            episode=self.out_episode,
            camera=self.camera,
            src_dataset=self.src_dataset,
            src_episode=self.src_episode,
            frames=-(-(self.to_frame - self.from_frame) // self.stride),
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True)
class OrderedClip:
    """A clip of an output's camera. Clips of one `item` cannot be parted into two files.

    One that `continues` goes on in its source where the one before it ended, and is cut out with it.
    """

    out_dataset: str
    camera: str
    out_episode: int
    video_file: str
    from_frame: int
    to_frame: int
    frames: int
    size_bytes: int
    encoded: bool
    continues: bool
    must_break: bool
    item: int


def cut_clips(engine: Engine, output_spec: OutputSpec, probed: Iterable[Probed]) -> list[UncutClip]:
    """Return the clips that cannot be copied; `order_clips` then gives all of them."""
    rows = [
        {name: getattr(clip, name) for name in _PIECES.names[:8]}
        | {name: getattr(piece, name) for name in _PIECES.names[8:-1]}
        | {"stride": output_spec.resampling.strides[clip.src_dataset]}
        for _, clips in probed
        for clip, piece in clips
    ]
    engine.load("pieces", pa.Table.from_pylist(rows, schema=_PIECES))
    engine.table("clip_cuts", "layout/clip_cuts")
    if all(row["preroll"] == row["postroll"] == 0 and row["stride"] == 1 for row in rows):
        return []  # nothing leans on anything, and all frames are taken
    return engine.records("layout/reencoded", UncutClip)


def refuse_reencoding(uncut: Sequence[UncutClip]) -> None:
    """Refuse clips that cannot be copied.

    Raises:
        MediaError: if there are any.
    """
    if uncut:
        parts = dict.fromkeys(f"{clip.title}: {clip.reason}" for clip in uncut)
        raise MediaError("clips that cannot be copied as they are", hint="without --no-reencode", parts=parts)


def choose_encodings(
    output_spec: OutputSpec, videos: Mapping[str, mp4.Video], uncut: Sequence[UncutClip]
) -> dict[str, mp4.Encoding]:
    """Return how each video file that holds one of the clips is encoded again.

    Raises:
        MediaError: if some cannot be; all are named.
    """
    cameras = {
        (source, n): how.feature
        for source, takes in output_spec.feature_map.items()
        for n, how in takes.items()
    }
    found: dict[str, mp4.Encoding] = {}
    problems: dict[str, str] = {}
    for clip in uncut:
        path, camera = clip.video_file, cameras[clip.src_dataset, clip.camera]
        if path in found or path in problems or camera is None:
            continue
        try:
            found[path] = mp4.choose_encoding(videos[path], camera.info, lossless=camera.is_depth)
        except MediaError as error:
            problems[path] = f"{clip.title}: {error}"
    if problems:
        raise MediaError(
            "clips that cannot be copied without frames of other episodes, nor encoded again",
            hint="leave these episodes out, keep their neighbours, or encode the videos another way first",
            parts=problems.values(),
        )
    return found


def order_clips(
    engine: Engine, output_spec: OutputSpec, encodings: Mapping[str, mp4.Encoding]
) -> list[OrderedClip]:
    """Return the clips that `cut_clips` was given, in the order of outputs, cameras and episodes."""
    return engine.records(
        "layout/clip_order",
        OrderedClip,
        concatenate=output_spec.limits.concatenate_videos,
        video_files=list(encodings),
        compat_keys=[how.compat_key for how in encodings.values()],
    )


def make_encode_jobs(
    output_spec: OutputSpec,
    uncut: Sequence[UncutClip],
    encodings: Mapping[str, mp4.Encoding],
    *,
    threads: int,
) -> dict[ClipSpan, EncodeClipJob]:
    """Return the job that encodes each clip, one for all outputs that it stands in.

    Every clip has its share of the threads, whichever of them are still to be encoded: with other threads an
    encoder gives other bytes.
    """
    clips: dict[ClipSpan, UncutClip] = {}
    for clip in uncut:
        clips.setdefault(clip.span, clip)
    share = max(1, threads // max(1, len(clips)))
    return {
        clip.span: EncodeClipJob(
            title=clip.title,
            video_file=clip.video_file,
            src_from_frame=clip.from_frame,
            src_to_frame=clip.to_frame,
            stride=clip.stride,
            fps=output_spec.fps,
            encoding=encodings[clip.video_file],
            threads=share,
            size_bytes=clip.size_bytes,
        )
        for clip in clips.values()
    }


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
