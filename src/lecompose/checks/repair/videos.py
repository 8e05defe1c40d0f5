"""Where the pictures of each episode are, and which episodes have all of theirs."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from lecompose import formats
from lecompose.checks.repair.episodes import Clip, Dropped, Salvage, SoundEpisode
from lecompose.concurrency import Workers
from lecompose.dataset.catalog import Source
from lecompose.engine import Engine
from lecompose.errors import ComposeError, MediaError, OutputUnwritable, SourceBroken
from lecompose.files import mp4
from lecompose.files.clutter import glob_files

_Clips = dict[int, Clip]
"""By episode."""


@dataclass(frozen=True)
class _ListedClip:
    """A clip as the metadata has it."""

    src_episode: int
    camera: str
    video_file: str | None
    from_frame: int | None


def find_clips(
    engine: Engine, source: Source, salvage: Salvage, *, scratch: Path, without: frozenset[str]
) -> Salvage:
    """Return the episodes with their clips; those whose pictures are not all there are not sound.

    A clip is where the metadata says, if it lies inside its file and overlaps no neighbour. Where one does
    not, but the file is exactly as long as its episodes, they follow each other. If the end of a file is cut
    off, its whole part is copied into `scratch`.
    """
    listed = _listed_clips(engine, source, salvage.episodes)
    workers = engine.workers()
    for camera in source.cameras:
        if camera.name not in without:
            salvage = _of_camera(source, camera.name, listed[camera.name], salvage, workers, scratch)
    return salvage


def _listed_clips(engine: Engine, source: Source, episodes: Sequence[SoundEpisode]) -> dict[str, _Clips]:
    """Return the clips that the metadata names; in v2.x each episode has a file of its own, listed or not."""
    listed: dict[str, _Clips] = defaultdict(dict)
    move = _moved(source)
    for clip in engine.records("repair/clips", _ListedClip):
        if clip.video_file is not None:
            first = -1 if clip.from_frame is None else clip.from_frame
            listed[clip.camera][clip.src_episode] = Clip(move(Path(clip.video_file)), first)
    for episode in episodes if not source.is_v3 else ():
        for camera in source.cameras:
            path = move(_v2_file(source, camera.name, episode.episode))
            listed[camera.name].setdefault(episode.episode, Clip(path, 0))
    return listed


def _v2_file(source: Source, camera: str, episode: int) -> Path:
    template = source.video_template
    chunk = episode // source.chunks_size
    return source.root / template.format(video_key=camera, episode_chunk=chunk, episode_index=episode)


def _moved(source: Source) -> Callable[[Path], Path]:
    """Return where a video is: as info.json says, or in the one folder with videos if that is missing."""
    folder = source.video_template.partition("/")[0]
    others = [
        path
        for path in source.root.iterdir()
        if path.is_dir() and path.name not in ("meta", "data") and glob_files(path, "**/*.mp4")
    ]
    if (source.root / folder).exists() or "{" in folder or len(others) != 1:
        return lambda path: path
    return lambda path: others[0] / path.relative_to(source.root / folder)


def _of_unlisted(listed: _Clips, episodes: Sequence[SoundEpisode], frames: Mapping[Path, int]) -> _Clips:
    """Return clips of episodes behind the listed ones, as a crash leaves them: each follows the one before.

    Returns none unless every frame of the files is then an episode's.
    """
    unlisted = [e for e in episodes if e.episode not in listed]
    if not frames or not unlisted or min(e.episode for e in unlisted) < max(listed, default=-1):
        return {}
    path, at = min(frames), 0
    if listed:
        last = listed[max(listed)]
        lengths = {e.episode: e.length for e in episodes}
        path, at = last.video_file, last.from_frame + lengths.get(max(listed), 0)
    rest = [file for file in sorted(frames) if file > path]
    found: _Clips = {}
    for episode in unlisted:
        if at == frames.get(path) and rest:
            path, at = rest.pop(0), 0
        found[episode.episode] = Clip(path, at)
        at += episode.length
    return found if at == frames.get(path) and not rest else {}


@dataclass(frozen=True)
class _FromFile:
    """The clips that one video file has of its episodes, and the episodes that it has not."""

    clips: _Clips
    dropped: Sequence[Dropped] = ()
    notes: Sequence[str] = ()


def _of_camera(
    source: Source, camera: str, listed: _Clips, salvage: Salvage, workers: Workers, scratch: Path
) -> Salvage:
    """Return the salvage with the clips of one camera, without the episodes that have none."""
    paths = sorted({listed[e.episode].video_file for e in salvage.episodes if e.episode in listed})
    paths += _unnamed_videos(paths, camera, source)
    videos = dict(zip(paths, workers.each(paths, lambda path: _probe(path, scratch)), strict=True))
    readable = {path: video for path, video in videos.items() if isinstance(video, mp4.Video)}
    whole = {path: video.frames for path, video in readable.items() if not video.is_truncated}
    clips = listed | _of_unlisted(listed, salvage.episodes, whole)
    files: dict[Path, list[SoundEpisode]] = defaultdict(list)
    for episode in salvage.episodes:
        if episode.episode in clips:
            files[clips[episode.episode].video_file].append(episode)
    parts = [
        _take_clips(source, camera, videos[path], path, episodes, clips, scratch)
        for path, episodes in files.items()
    ]
    unnamed = [
        Dropped(source.name, e.episode, f'camera "{camera}": no video is named', camera=camera)
        for e in salvage.episodes
        if e.episode not in clips
    ]
    dropped = [*unnamed, *(lost for part in parts for lost in part.dropped)]
    salvage = salvage.without(dropped, *(note for part in parts for note in part.notes))
    found = {number: clip for part in parts for number, clip in part.clips.items()}
    return replace(
        salvage,
        episodes=tuple(_with_clip(e, camera, found) for e in salvage.episodes),
        rates=salvage.rates | {float(v.fps) for p, v in readable.items() if p in files and v.frames > 1},
    )


def _take_clips(
    source: Source,
    camera: str,
    video: mp4.Video | ComposeError,
    path: Path,
    episodes: Sequence[SoundEpisode],
    listed: _Clips,
    scratch: Path,
) -> _FromFile:
    """Return the clips of the episodes that are said to be in one video file."""
    fault = _fault(video, source)
    if isinstance(video, ComposeError) or fault is not None:
        reason = f'camera "{camera}": {fault}'
        return _FromFile({}, [Dropped(source.name, e.episode, reason, str(path), camera) for e in episodes])
    clips, are_moved = _place_clips(video, episodes, listed)
    lost = [e for e in episodes if e.episode not in clips]
    dropped = [_outside(source, camera, e, listed[e.episode], video) for e in lost]
    if clips and video.is_truncated:
        copy = _copy_whole_part(video, source, scratch)
        clips = {number: replace(clip, video_file=copy) for number, clip in clips.items()}
    note = (
        f'source "{source.name}", camera "{camera}": its pointers were wrong, and now'
        f" follow the order of the episodes in the video. ({path})"
    )
    return _FromFile(clips, dropped, [note] if are_moved else [])


def _unnamed_videos(paths: Sequence[Path], camera: str, source: Source) -> list[Path]:
    """Return the camera's videos that no episode names; in v2.x a file is an episode's by its name."""
    if not source.is_v3:
        return []
    template = source.video_template
    folder = _moved(source)(source.root / template.partition("{")[0] / camera)
    return sorted(set(glob_files(folder, "*/*.mp4")) - set(paths))


def _fault(video: mp4.Video | ComposeError, source: Source) -> str | None:
    """Return why no clips can be taken from a video; None where they can."""
    if isinstance(video, ComposeError):
        return video.fault
    if video.frames > 1 and abs(video.fps / source.fps - 1) > formats.FPS_TOLERANCE:
        return f"the video runs at {float(video.fps):g} fps, the dataset at {float(source.fps):g}"
    return None


def _with_clip(episode: SoundEpisode, camera: str, found: _Clips) -> SoundEpisode:
    return replace(episode, clips={**episode.clips, camera: found[episode.episode]})


def _probe(path: Path, scratch: Path) -> mp4.Video | ComposeError:
    """Return a video, what is whole of it, or why it cannot be read."""
    try:
        return _require_keyframes(mp4.probe(path, scratch=scratch))
    except (SourceBroken, OutputUnwritable) as error:
        return error
    except MediaError as error:
        with suppress(MediaError, SourceBroken):
            return _require_keyframes(mp4.probe_truncated(path))
        return error


def _require_keyframes(video: mp4.Video) -> mp4.Video:
    """Return the video.

    Raises:
        MediaError: if its keyframes cannot be read.
    """
    mp4.probe_clips(video, [(0, video.frames)])
    return video


def _copy_whole_part(video: mp4.Video, source: Source, scratch: Path) -> Path:
    """Copy what is whole of a truncated video; the copy has the time of change of the original."""
    folder = scratch / "whole"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{len(list(folder.iterdir()))}.mp4"
    mp4.concat([mp4.Segment(video, 0, video.frames)], copy, fps=source.fps)
    os.utime(copy, ns=(video.track.modified_ns, video.track.modified_ns))
    return copy


def _place_clips(video: mp4.Video, episodes: Sequence[SoundEpisode], listed: _Clips) -> tuple[_Clips, bool]:
    """Return the clips of a file's episodes that can be trusted, and whether they are others than listed."""
    inside = [e for e in episodes if _fits(listed[e.episode], e, video.frames)]
    overlapping = _find_overlapping(inside, listed)
    apart = {e.episode: listed[e.episode] for e in inside if e.episode not in overlapping}
    lengths = [e.length for e in episodes]
    if len(apart) < len(episodes) and sum(lengths) == video.frames and not video.is_truncated:
        starts = accumulate(lengths, initial=0)
        return {e.episode: Clip(video.path, at) for e, at in zip(episodes, starts, strict=False)}, True
    return apart, False


def _fits(clip: Clip, episode: SoundEpisode, frames: int) -> bool:
    return clip.from_frame >= 0 and clip.from_frame + episode.length <= frames


def _find_overlapping(episodes: Iterable[SoundEpisode], listed: _Clips) -> set[int]:
    """Return the episodes whose clips share frames with those of another."""
    spans = sorted((listed[e.episode].from_frame, e.length, e.episode) for e in episodes)
    found: set[int] = set()
    furthest_end, furthest = 0, -1
    for from_frame, length, episode in spans:
        if from_frame < furthest_end:
            found |= {episode, furthest}
        if from_frame + length > furthest_end:
            furthest_end, furthest = from_frame + length, episode
    return found


def _outside(source: Source, camera: str, episode: SoundEpisode, clip: Clip, video: mp4.Video) -> Dropped:
    end = clip.from_frame + episode.length
    if _fits(clip, episode, video.frames):
        what = "has frames of other episodes"
    else:
        lost = ", the end of which is cut off" if video.is_truncated else ""
        what = f"is frames {clip.from_frame} to {end - 1} of a video of {video.frames}{lost}"
    reason = f'camera "{camera}": its clip {what}'
    return Dropped(source.name, episode.episode, reason, str(clip.video_file), camera)
