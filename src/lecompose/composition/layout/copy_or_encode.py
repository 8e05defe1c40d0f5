"""Decide which clips are copied, and which have to be encoded again because they lean on frames of others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lecompose.composition.jobs import ClipSpan, EncodeClipJob
from lecompose.composition.layout.probe_clips import Probed, clip_title
from lecompose.composition.output_spec import OutputSpec
from lecompose.engine import Engine
from lecompose.errors import MediaError
from lecompose.files import mp4
from lecompose.formats import Feature

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
        ("copy_from", pa.int64()),
        ("rest_key", pa.string()),
    ]
)
WholeClip: TypeAlias = tuple[str, str, int]
"""An output, a camera of it, and an episode whose clip is encoded whole."""
_CLIP, _FACTS = slice(0, 8), slice(8, 13)
Splices: TypeAlias = Mapping[tuple[str, int, int], mp4.Splice]
"""From where packets of clips can be copied, by their video file, first frame, and one past the last."""


@dataclass(frozen=True)
class Reencoded:
    """One clip whose packets cannot be copied without frames of others; `reason` says why.

    Its first `frames` are encoded again, the other `frames_copied` are copied. `psnr_db` is how near the
    encoded pictures came to the source's, infinite where nothing was lost; None before the run.
    """

    output: str
    episode: int
    camera: str
    src_dataset: str
    src_episode: int
    frames: int
    reason: str
    psnr_db: float | None = None
    frames_copied: int = 0

    @property
    def clip(self) -> str:
        """The clip as messages name it."""
        return clip_title(self.camera, self.src_dataset, self.src_episode)


@dataclass(frozen=True, slots=True)
class UncutClip:
    """A clip of the plan that cannot be copied, and how many frames it leans on in vain.

    From `copy_from` on it can be, behind its first frames, encoded again; else that is its end. What is
    encoded `in_front` shares its file with packets of the source.
    """

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
    copy_from: int
    in_front: bool
    frames_before: int
    frames_behind: int

    @property
    def span(self) -> ClipSpan:
        return self.video_file, self.from_frame, self.copy_from, self.in_front

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
        return ", and ".join(reasons) or "joined with pieces that are encoded again"

    def as_reencoded(self) -> Reencoded:
        """Return the clip as reports have it."""
        return Reencoded(
            output=self.out_dataset,
            episode=self.out_episode,
            camera=self.camera,
            src_dataset=self.src_dataset,
            src_episode=self.src_episode,
            frames=-(-(self.copy_from - self.from_frame) // self.stride),
            reason=self.reason,
            frames_copied=self.to_frame - self.copy_from,
        )


@dataclass(frozen=True, slots=True)
class OrderedClip:
    """A clip of an output's camera. Clips of one `item` cannot be parted into two files.

    One that `continues` goes on in its source where the one before it ended, and is cut out with it. The
    frames before `copy_from` are encoded again, perhaps to stand `in_front` of packets of their source. One
    that `joins` is a further piece of the episode before it.
    """

    out_dataset: str
    camera: str
    out_episode: int
    video_file: str
    from_frame: int
    to_frame: int
    frames: int
    size_bytes: int
    copy_from: int
    in_front: bool
    joins: bool
    continues: bool
    must_break: bool
    item: int


def cut_clips(
    engine: Engine,
    output_spec: OutputSpec,
    probed: Iterable[Probed],
    *,
    splices: Splices | None = None,
    whole: Sequence[WholeClip] = (),
) -> list[UncutClip]:
    """Return the clips that cannot be copied; `order_clips` then gives all of them.

    A second call has `splices` of some that the first one gave: from there on they can be if they start late.
    Those of `whole` episodes are encoded, whatever they are.
    """
    rows = [
        {name: getattr(clip, name) for name in _PIECES.names[_CLIP]}
        | {name: getattr(piece, name) for name in _PIECES.names[_FACTS]}
        | {"stride": output_spec.resampling.strides[clip.src_dataset]}
        | _splice_columns((splices or {}).get((str(clip.video_file), clip.from_frame, clip.to_frame)))
        for _, clips in probed
        for clip, piece in clips
    ]
    if splices or whole:
        engine.drop("pieces", "clip_cuts")
    engine.load("pieces", pa.Table.from_pylist(rows, schema=_PIECES))
    outputs, cameras, episodes = (
        (list(column) for column in zip(*whole, strict=True)) if whole else ([], [], [])
    )
    engine.table(
        "clip_cuts", "layout/copy_or_encode", out_datasets=outputs, cameras=cameras, out_episodes=episodes
    )
    if not whole and all(row["preroll"] == row["postroll"] == 0 and row["stride"] == 1 for row in rows):
        return []  # nothing leans on anything, and all frames are taken
    return engine.records("layout/reencoded", UncutClip)


def _splice_columns(splice: mp4.Splice | None) -> dict[str, Any]:
    return {"copy_from": splice and splice.frame, "rest_key": splice and splice.compat_key}


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
    cameras = _map_cameras(output_spec)
    found: dict[str, mp4.Encoding] = {}
    problems: dict[str, str] = {}
    for clip in uncut:
        if clip.in_front:
            continue
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


def find_splices(
    output_spec: OutputSpec, videos: Mapping[str, mp4.Video], uncut: Sequence[UncutClip], *, scratch: Path
) -> tuple[Splices, dict[str, mp4.Encoding]]:
    """Return from where clips can be copied behind their first frames, encoded again, and how these are.

    Encoders are tried for that; what they give is looked at once more when they have encoded the frames.
    """
    cameras, settings = _map_cameras(output_spec), mp4.HeadSettings(scratch, output_spec.fps)
    wanted: dict[str, dict[tuple[int, int], Feature]] = {}
    for clip in uncut:
        camera = cameras[clip.src_dataset, clip.camera]
        if clip.frames_before and not clip.frames_behind and clip.stride == 1 and camera is not None:
            wanted.setdefault(clip.video_file, {})[clip.from_frame, clip.to_frame] = camera
    splices: dict[tuple[str, int, int], mp4.Splice] = {}
    heads: dict[str, mp4.Encoding] = {}
    for path, ranges in wanted.items():
        found = list(zip(ranges, mp4.find_splices(videos[path], list(ranges)), strict=True))
        camera = next(iter(ranges.values()))
        how = (
            settings.find(videos[path], camera.info, lossless=camera.is_depth)
            if any(dict(found).values())
            else None
        )
        if how is not None:
            heads[path] = how
            splices |= {(path, *span): splice for span, splice in found if splice is not None}
    return splices, heads


def _map_cameras(output_spec: OutputSpec) -> dict[tuple[str, str], Feature | None]:
    """Return the source's own camera for each source and name of an output's camera."""
    return {
        (source, n): how.feature
        for source, takes in output_spec.feature_map.items()
        for n, how in takes.items()
    }


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
    heads: Mapping[str, mp4.Encoding],
    *,
    threads: int,
) -> dict[ClipSpan, EncodeClipJob]:
    """Return the job that encodes each clip, one for all outputs that it stands in.

    `heads` say how first frames of clips are encoded, `encodings` how whole clips are. Every clip has its
    share of the threads, whichever of them are still to be encoded: with other threads an encoder gives other
    bytes.
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
            src_to_frame=clip.copy_from,
            stride=clip.stride,
            fps=output_spec.fps,
            encoding=(heads if clip.in_front else encodings)[clip.video_file],
            # The sets of x265 may depend on it.
            threads=1 if clip.in_front else share,
            size_bytes=share_bytes(clip.size_bytes, clip),
        )
        for clip in clips.values()
    }


def share_bytes(size_bytes: int, clip: UncutClip | OrderedClip) -> int:
    """Return about how many of a clip's bytes its frames before `copy_from` take."""
    return size_bytes * (clip.copy_from - clip.from_frame) // (clip.to_frame - clip.from_frame)


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
