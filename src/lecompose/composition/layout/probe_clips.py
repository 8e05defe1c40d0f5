"""Probe every video file that the plan needs, once, and find the facts of each clip. Decodes nothing."""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, groupby
from pathlib import Path

from lecompose import formats
from lecompose.composition.output_spec import OutputSpec
from lecompose.concurrency import Workers
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.doubtful_clips import describe_repeats, refuse_doubtful_clips
from lecompose.dataset.moved_pointers import refuse_moved_pointers
from lecompose.errors import ComposeError, MediaError, SourceBroken
from lecompose.files import mp4

_BY_NUMBER = (
    'source "{}", camera "{}": videos run at another rate than the {:g} fps of the dataset, and have as many'
    " frames as rows: they are matched by number"
)
# What finds clips whose pointers are wrong.
_REMEDY = "--skip-broken"


class _OtherRate(MediaError):
    """A video runs at another rate than its dataset, and has so many frames."""

    video_file: str = ""
    frames: int = 0


class _AsManyFrames(_OtherRate):
    """A video of another rate has as many frames as its episodes have rows."""


@dataclass(frozen=True)
class _Rates:
    """The fps of each source, and the sources whose videos may have another one."""

    fps: Mapping[str, Fraction]
    by_number: Collection[str]
    repaired: Collection[str]


@dataclass(frozen=True, slots=True)
class WantedClip:
    """The frames of a source's video that a planned piece of an episode has; `camera` is the output's name.

    The piece is the frames [episode_from, episode_to) of the episode, all of them if it `is_whole`.
    """

    src_dataset: str
    src_episode: int
    episode_from: int
    episode_to: int
    is_whole: bool
    camera: str
    video_file: str | None
    from_frame: int
    to_frame: int

    @property
    def title(self) -> str:
        """The clip as messages name it."""
        return clip_title(self.camera, self.src_dataset, self.src_episode)


def clip_title(camera: str, source: str, episode: int) -> str:
    """Return a clip as messages name it."""
    return f'camera "{camera}", source "{source}", episode {episode}'


Probed = tuple[mp4.Video, list[tuple[WantedClip, mp4.ClipFacts]]]
"""A video, and what its clips would be if they were cut out."""


@dataclass(frozen=True)
class ProbedFiles:
    """Each video file that the plan needs, with its clips; `notes` say which episodes are there twice."""

    files: Sequence[Probed]
    notes: tuple[str, ...] = ()


def probe_clips(
    catalog: Catalog,
    output_spec: OutputSpec,
    scratch: Path,
    *,
    by_number: Collection[str] = (),
    repaired: Collection[str] = (),
) -> ProbedFiles:
    """Return each video file that the plan needs with its clips.

    Videos of the sources `by_number` may have another rate than these, if they have as many frames as rows.
    Of those that are `repaired` the clips are known to be right, whatever the rate.

    Raises:
        SourceBroken: if videos are missing, or pointers leave open whose the pictures are.
        MediaError: if they are unreadable, too short or of another rate; all are named.
    """
    cameras = list(_cameras(output_spec))
    if not cameras:
        return ProbedFiles([])
    sources, src_cameras, names = (list(column) for column in zip(*cameras, strict=True))
    wanted = catalog.engine.records(
        "layout/clips_wanted", WantedClip, sources=sources, src_cameras=src_cameras, cameras=names
    )
    episodes = {(clip.src_dataset, clip.src_episode) for clip in wanted}
    keys = {(source, own) for source, own, _ in cameras}
    sharing = refuse_doubtful_clips(catalog, episodes=episodes, cameras=keys, remedy=_REMEDY)
    rates = {source.name: source.fps for source in catalog.sources}
    looked_at = _probe(wanted, _Rates(rates, by_number, repaired), scratch, catalog.engine.workers())
    files = [probed for probed in looked_at if not isinstance(probed, list)]
    frames = {str(clips[0][0].video_file): video.frames for video, clips in files}
    planned = {name for name, _ in episodes}
    read = {clip.video_file for clip in wanted if clip.video_file is not None}
    refuse_moved_pointers(catalog, sources=planned, cameras=keys, frames=frames, read=read, remedy=_REMEDY)
    _refuse_unusable(catalog, wanted, looked_at)
    retimed = {
        (clips[0][0].src_dataset, clips[0][0].camera)
        for video, clips in files
        if clips[0][0].src_dataset not in repaired and _has_other_rate(video, rates[clips[0][0].src_dataset])
    }
    notes = (_BY_NUMBER.format(source, camera, float(rates[source])) for source, camera in sorted(retimed))
    return ProbedFiles(files, (*describe_repeats(sharing, episodes), *notes))


def _cameras(output_spec: OutputSpec) -> Iterator[tuple[str, str, str]]:
    """Yield each source, each of its cameras, and what the output calls that camera."""
    for source, takes in output_spec.feature_map.items():
        for camera in output_spec.cameras:
            if own := takes[camera.name].feature:
                yield source, own.name, camera.name


def _probe(
    wanted: Sequence[WantedClip], rates: _Rates, scratch: Path, workers: Workers
) -> list[Probed | list[ComposeError]]:
    """Probe the files on threads."""
    by_file = [(path, list(clips)) for path, clips in groupby(wanted, key=lambda clip: clip.video_file)]
    return workers.each(by_file, lambda item: _probe_file(item[0], item[1], rates, scratch))


def _refuse_unusable(
    catalog: Catalog, wanted: Sequence[WantedClip], results: Sequence[Probed | list[ComposeError]]
) -> None:
    broken = [errors for errors in results if isinstance(errors, list)]
    if broken:
        errors = [error for of_file in broken for error in of_file]
        family = MediaError if any(isinstance(e, MediaError) for e in errors) else SourceBroken
        sound = {clip.camera for probed in results if not isinstance(probed, list) for clip, _ in probed[1]}
        hint = _without_clips([clip.camera for clip in wanted if clip.camera not in sound])
        if all(isinstance(e, _AsManyFrames) or _has_a_row_each(catalog, e) for e in errors):
            hint = "--skip-broken, which matches frames and rows by their number"
        raise family(
            f"{len(broken)} video file(s) cannot be used",
            hint=hint,
            parts=map(str, errors),
        )


def _has_a_row_each(catalog: Catalog, error: ComposeError) -> bool:
    """Return whether a video of another rate has as many frames as all its episodes, some of them cut."""
    if not isinstance(error, _OtherRate):
        return False
    clips = catalog.engine.read(
        "clips", ["from_frame", "to_frame"], where=("video_file", error.video_file)
    ).to_pylist()
    rows: int = sum(clip["to_frame"] - clip["from_frame"] for clip in clips)
    return rows == error.frames


def _without_clips(lost: Sequence[str]) -> str:
    """Return the next step where clips cannot be used; `lost` are the cameras that have no other."""
    if not lost:
        return "--skip-broken, which leaves their episodes out"
    removed = " ".join(f"--remove {shlex.quote(camera)}" for camera in dict.fromkeys(lost))
    return f"{removed}, which leaves the camera out"


def _probe_file(
    path: str | None, clips: list[WantedClip], rates: _Rates, scratch: Path
) -> Probed | list[ComposeError]:
    """Return the file and its clips; or what is wrong with the file, or with each clip that is not in it."""
    if path is None:
        unnamed = SourceBroken("the episode list names no video file")
        return [_about(clip, unnamed) for clip in clips]
    try:
        video = mp4.probe(Path(path), scratch=scratch)
        if _has_other_rate(video, rates.fps[clips[0].src_dataset]):
            clips = _match_by_number(video, clips, rates)
    except ComposeError as error:
        return [_about(clips[0], error)]
    try:
        pieces = mp4.probe_clips(video, [(clip.from_frame, clip.to_frame) for clip in clips])
    except ComposeError as error:
        return list(_find_missing(video, clips)) or [_about(clips[0], error)]
    return video, list(zip(clips, pieces, strict=True))


def _find_missing(video: mp4.Video, clips: list[WantedClip]) -> Iterator[ComposeError]:
    for clip in clips:
        try:
            mp4.probe_clips(video, [(clip.from_frame, clip.to_frame)])
        except ComposeError as error:
            yield _about(clip, error)


def _about(clip: WantedClip, error: ComposeError) -> ComposeError:
    """Return the same error, which says whose clip it is about."""
    told = type(error)(f"{clip.title}: {error}")
    if isinstance(error, _OtherRate) and isinstance(told, _OtherRate):
        told.video_file, told.frames = error.video_file, error.frames
    return told


def _has_other_rate(video: mp4.Video, fps: Fraction) -> bool:
    return video.frames > 1 and abs(video.fps / fps - 1) > formats.FPS_TOLERANCE


def _match_by_number(video: mp4.Video, clips: list[WantedClip], rates: _Rates) -> list[WantedClip]:
    """Return the clips of a video that runs at another rate, one after the other, to its last frame.

    Raises:
        MediaError: unless that is asked for, and they are as long as the video.
    """
    source = clips[0].src_dataset
    if source in rates.repaired:
        return clips
    lengths = [clip.to_frame - clip.from_frame for clip in clips]
    if source in rates.by_number and sum(lengths) == video.frames:
        starts = accumulate(lengths, initial=0)
        return [
            replace(clip, from_frame=start, to_frame=start + length)
            for clip, length, start in zip(clips, lengths, starts, strict=False)
        ]
    family = _AsManyFrames if sum(lengths) == video.frames else _OtherRate
    error = family(
        f"the video runs at {float(video.fps):.3f} fps, the dataset at {float(rates.fps[source]):g}",
        path=video.path,
    )
    error.video_file, error.frames = str(video.path), video.frames
    raise error
