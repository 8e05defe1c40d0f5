"""Where the pictures of each episode are, and which episodes have all of theirs."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from lecompose import formats
from lecompose.checks.repair.find_sound_episodes import Clip, Dropped, Salvage, SoundEpisode
from lecompose.checks.repair.follow_order import (
    Spans,
    exchange_files,
    find_overlapping,
    fits,
    follow_order,
    is_in_order,
    match_by_number,
    shift_files,
)
from lecompose.concurrency import Workers
from lecompose.dataset.catalog import DeclaredLength, Source
from lecompose.dataset.doubtful_clips import find_equal_rows
from lecompose.engine import Engine
from lecompose.errors import ComposeError, MediaError, OutputUnwritable, SourceBroken, few
from lecompose.files import mp4
from lecompose.files.clutter import glob_files

_Clips = dict[int, Clip]
"""By episode."""

_CORRECTED = (
    'source "{}", camera "{}": its pointers were wrong,'
    " and now follow the order of the episodes in the videos."
)
_BY_NUMBER = (
    'source "{}", camera "{}": videos run at another rate than the {:g} fps of the dataset, and have as many'
    " frames as rows: they are matched by number"
)
_EXCHANGED = (
    'source "{}", camera "{}": video files were exchanged, and now go with the episodes by their numbers of'
    " frames: {}"
)
_EITHER = "its pointers are wrong or its files exchanged, and nothing tells which"
_NOWHERE = "its pointers lead to a missing file, and none to one that is there"
_NOT_CERTAIN = "its video file is exchanged with another, and nothing tells which one is its own"
_MOST_SECONDS = 1e9


@dataclass(frozen=True)
class _ListedClip:
    """A clip as the metadata has it."""

    src_episode: int
    camera: str
    video_file: str | None
    from_frame: int | None
    filmed_s: float | None


@dataclass(frozen=True)
class _Listed:
    """The clips that the metadata names for a camera, and what is known of the episodes before any is lost.

    `twins` says of episodes with the same clip which of them have the same rows.
    """

    clips: _Clips
    spans: Spans
    twins: Mapping[int, int]


def find_clips(
    engine: Engine, source: Source, salvage: Salvage, *, scratch: Path, without: frozenset[str]
) -> Salvage:
    """Return the episodes with their clips; those whose pictures are not all there are not sound.

    A clip is where the metadata says, if it lies inside its file and has frames of no other. Where one does
    not, and files are exactly as long as their episodes, these follow each other. If the end of a file is cut
    off, its whole part is copied into `scratch`.

    Raises:
        SourceBroken: if several cameras have the same files, and nothing tells whose these are.
    """
    _refuse_one_file_for_all(source, without)
    lengths = _lengths(engine, source, salvage)
    named, filmed = _listed_clips(engine, source, salvage.episodes)
    twins = _twins(engine, source, salvage.episodes, named)
    workers = engine.workers()
    for camera in source.cameras:
        if camera.name not in without:
            known = _Listed(named[camera.name], Spans(lengths, filmed[camera.name]), twins)
            salvage = _of_camera(source, camera.name, known, salvage, workers, scratch)
    return salvage


def _refuse_one_file_for_all(source: Source, without: frozenset[str]) -> None:
    cameras = [camera.name for camera in source.cameras if camera.name not in without]
    if len(cameras) > 1 and "{video_key}" not in source.video_template:
        raise SourceBroken(
            f'video_path "{source.video_template}" leads the cameras {few(cameras)} to the same files',
            hint="{video_key} in video_path, or --remove CAMERA for those whose videos these are not",
            path=source.root / "meta/info.json",
        )


def _lengths(engine: Engine, source: Source, salvage: Salvage) -> dict[int, int]:
    """Return the frames of all episodes in their order: the rows of those that are sound, else as listed."""
    listed = engine.read_records("declared", DeclaredLength, where=("src_dataset", source.name))
    # A list that is damaged may hold neither.
    known = {row.src_episode: row.length for row in listed if row.length and row.src_episode is not None}
    known |= {e.episode: e.length for e in salvage.episodes}
    return dict(sorted(known.items()))


def _twins(
    engine: Engine, source: Source, episodes: Sequence[SoundEpisode], named: Mapping[str, _Clips]
) -> dict[int, int]:
    """Return for episodes with the same clip the first of them that has the same rows."""
    lengths = {e.episode: e.length for e in episodes}
    spans: dict[tuple[str, Path, int, int], list[int]] = defaultdict(list)
    for camera, clips in named.items():
        for episode in clips.keys() & lengths.keys():
            clip = clips[episode]
            spans[camera, clip.video_file, clip.from_frame, lengths[episode]].append(episode)
    alike = {episode for sharing in spans.values() if len(sharing) > 1 for episode in sharing}
    return find_equal_rows(engine, source, alike) if alike else {}


def _listed_clips(
    engine: Engine, source: Source, episodes: Sequence[SoundEpisode]
) -> tuple[dict[str, _Clips], dict[str, dict[int, int]]]:
    """Return the clips that the metadata names, and their frames by the times it names.

    In v2.x each episode has a file of its own, listed or not.
    """
    listed: dict[str, _Clips] = defaultdict(dict)
    filmed: dict[str, dict[int, int]] = defaultdict(dict)
    move = _find_moved(source)
    for clip in engine.records("repair/clips", _ListedClip):
        if clip.video_file is not None:
            first = -1 if clip.from_frame is None else clip.from_frame
            listed[clip.camera][clip.src_episode] = Clip(move(Path(clip.video_file)), first)
        if clip.filmed_s is not None and 0 < clip.filmed_s < _MOST_SECONDS:
            filmed[clip.camera][clip.src_episode] = round(clip.filmed_s * source.fps)
    for episode in episodes if not source.is_v3 else ():
        for camera in source.cameras:
            path = move(_v2_file(source, camera.name, episode.episode))
            listed[camera.name].setdefault(episode.episode, Clip(path, 0))
    return listed, filmed


def _v2_file(source: Source, camera: str, episode: int) -> Path:
    template = source.video_template
    chunk = episode // source.chunks_size
    return source.root / template.format(video_key=camera, episode_chunk=chunk, episode_index=episode)


def _find_moved(source: Source) -> Callable[[Path], Path]:
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


def _place_unlisted(listed: _Clips, episodes: Sequence[SoundEpisode], frames: Mapping[Path, int]) -> _Clips:
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
    """The clips that one video file has of its episodes, and the episodes that it has not.

    `is_by_number` says that its rate is another one, and its frames go with rows by their number.
    """

    clips: _Clips
    dropped: Sequence[Dropped] = ()
    notes: Sequence[str] = ()
    is_by_number: bool = False


def _of_camera(
    source: Source, camera: str, known: _Listed, salvage: Salvage, workers: Workers, scratch: Path
) -> Salvage:
    """Return the salvage with the clips of one camera, without the episodes that have none."""
    paths = sorted({clip.video_file for clip in known.clips.values()})
    paths += _unnamed_videos(paths, camera, source)
    videos = dict(zip(paths, workers.each(paths, lambda path: _probe(path, scratch)), strict=True))
    readable = {path: video for path, video in videos.items() if isinstance(video, mp4.Video)}
    whole = {path: video.frames for path, video in readable.items() if not video.is_truncated}
    listed = known.clips | _place_unlisted(known.clips, salvage.episodes, whole)
    corrected = _correct_clips(source, camera, replace(known, clips=listed), paths, whole)
    salvage = salvage.without(
        (
            Dropped(source.name, e.episode, f'camera "{camera}": {corrected.why_lost}', camera=camera)
            for e in salvage.episodes
            if e.episode in corrected.lost
        ),
        *corrected.notes,
    )
    clips = corrected.clips
    files: dict[Path, list[SoundEpisode]] = defaultdict(list)
    for episode in salvage.episodes:
        if episode.episode in clips:
            files[clips[episode.episode].video_file].append(episode)
    parts = [
        _take_clips(source, camera, videos[path], path, episodes, replace(known, clips=clips), scratch)
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
    if any(part.is_by_number for part in parts):
        salvage = salvage.without((), _BY_NUMBER.format(source.name, camera, float(source.fps)))
    timed = [path for path, part in zip(files, parts, strict=True) if not part.is_by_number]
    rates = {float(v.fps) for p, v in readable.items() if p in timed and v.frames > 1}
    return replace(
        salvage,
        episodes=tuple(_with_clip(e, camera, found) for e in salvage.episodes),
        rates=salvage.rates | rates,
    )


@dataclass(frozen=True)
class _Corrected:
    """The clips of a camera as they seem to be right, and the episodes whose clips nothing tells."""

    clips: _Clips
    notes: tuple[str, ...] = ()
    lost: frozenset[int] = frozenset()
    why_lost: str = ""


def _correct_clips(
    source: Source, camera: str, known: _Listed, paths: Sequence[Path], whole: Mapping[Path, int]
) -> _Corrected:
    """Return the clips of a camera, corrected where pointers contradict each other or the files."""
    in_order = _correct_pointers(source, known, paths, whole) if source.is_v3 else known.clips
    exchange = exchange_files(known.spans, known.clips, whole)
    if exchange is not None and exchange[0] != in_order and in_order not in (None, known.clips):
        return _Corrected({}, (), frozenset(known.clips), _EITHER)
    if exchange is not None:
        clips, lost = exchange
        moved = {known.clips[e].video_file: clip for e, clip in clips.items() if clip != known.clips[e]}
        files = ", ".join(
            f"{clip.video_file.name} for {file.name}" for file, clip in sorted(moved.items())[:4]
        )
        notes = (_EXCHANGED.format(source.name, camera, files),) if moved else ()
        return _Corrected(clips, notes, lost, _NOT_CERTAIN)
    if in_order is None:
        return _Corrected({}, (), frozenset(known.spans.lengths), _NOWHERE)
    notes = (_CORRECTED.format(source.name, camera),) if in_order != known.clips else ()
    return _Corrected(in_order, notes)


def _correct_pointers(
    source: Source, known: _Listed, paths: Sequence[Path], whole: Mapping[Path, int]
) -> _Clips | None:
    """Return the clips of a camera, in the order of the episodes or in other files where pointers are wrong.

    Returns None where they may lead to the wrong files, and nothing tells which are right.
    """

    def find_sound(clips: Mapping[int, Clip]) -> _Clips:
        lengths = known.spans.lengths
        inside = {
            episode: clip
            for episode, clip in clips.items()
            if episode in lengths and fits(clip, lengths[episode], whole.get(clip.video_file, 0))
        }
        overlapping = find_overlapping(inside, lengths, known.twins)
        return {episode: clip for episode, clip in inside.items() if episode not in overlapping}

    sound = find_sound(known.clips)
    if len(sound) == len(known.spans.lengths):
        return known.clips
    there = [path for path in paths if path.is_file()]
    named = {clip.video_file for clip in known.clips.values()}
    if len(whole) == len(there):
        in_order = follow_order(known.spans, known.clips, whole, sound)
        if in_order is not None:
            return in_order
    if named <= set(there) or set(there) <= named:
        return known.clips
    fits_all = lambda clips: len(find_sound(clips)) == len(clips)  # noqa: E731
    return shift_files(known.clips, whole, fits_all, chunk_files=source.chunks_size)


def _take_clips(
    source: Source,
    camera: str,
    video: mp4.Video | ComposeError,
    path: Path,
    episodes: Sequence[SoundEpisode],
    known: _Listed,
    scratch: Path,
) -> _FromFile:
    """Return the clips of the episodes that are said to be in one video file."""
    if isinstance(video, ComposeError):
        return _FromFile({}, list(_without_video(source, camera, video.fault, path, episodes)))
    if _has_other_rate(video, source):
        frames = 0 if video.is_truncated else video.frames
        by_number = match_by_number(known.spans, known.clips, path, frames)
        if not by_number:
            fault = f"the video runs at {float(video.fps):g} fps, the dataset at {float(source.fps):g}"
            return _FromFile({}, list(_without_video(source, camera, fault, path, episodes)))
        return _FromFile({e.episode: by_number[e.episode] for e in episodes}, is_by_number=True)
    clips, are_moved = _place_clips(video, episodes, known)
    lost = [e for e in episodes if e.episode not in clips]
    dropped = [_outside(source, camera, e, known.clips[e.episode], video) for e in lost]
    if clips and video.is_truncated:
        copy = _copy_whole_part(video, source, scratch)
        clips = {number: replace(clip, video_file=copy) for number, clip in clips.items()}
    note = f"{_CORRECTED.format(source.name, camera)} ({path})"
    return _FromFile(clips, dropped, [note] if are_moved else [])


def _unnamed_videos(paths: Sequence[Path], camera: str, source: Source) -> list[Path]:
    """Return the camera's videos that no episode names; in v2.x a file is an episode's by its name."""
    if not source.is_v3:
        return []
    template = source.video_template
    folder = _find_moved(source)(source.root / template.partition("{")[0] / camera)
    return sorted(set(glob_files(folder, "*/*.mp4")) - set(paths))


def _without_video(
    source: Source, camera: str, fault: str, path: Path, episodes: Sequence[SoundEpisode]
) -> Iterator[Dropped]:
    for episode in episodes:
        yield Dropped(source.name, episode.episode, f'camera "{camera}": {fault}', str(path), camera)


def _has_other_rate(video: mp4.Video, source: Source) -> bool:
    return video.frames > 1 and abs(video.fps / source.fps - 1) > formats.FPS_TOLERANCE


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


def _place_clips(video: mp4.Video, episodes: Sequence[SoundEpisode], known: _Listed) -> tuple[_Clips, bool]:
    """Return the clips of a file's episodes that can be trusted, and whether they are others than listed."""
    lengths = {e.episode: e.length for e in episodes}
    inside = {e: known.clips[e] for e in lengths if fits(known.clips[e], lengths[e], video.frames)}
    overlapping = find_overlapping(inside, lengths, known.twins)
    apart = {episode: clip for episode, clip in inside.items() if episode not in overlapping}
    is_filled = sum(lengths.values()) == video.frames and not video.is_truncated
    if len(apart) < len(episodes) and is_filled and is_in_order(apart):
        starts = accumulate(lengths.values(), initial=0)
        return {e: Clip(video.path, at) for e, at in zip(lengths, starts, strict=False)}, True
    return apart, False


def _outside(source: Source, camera: str, episode: SoundEpisode, clip: Clip, video: mp4.Video) -> Dropped:
    end = clip.from_frame + episode.length
    if fits(clip, episode.length, video.frames):
        what = "has frames of other episodes"
    else:
        lost = ", the end of which is cut off" if video.is_truncated else ""
        what = f"is frames {clip.from_frame} to {end - 1} of a video of {video.frames}{lost}"
    reason = f'camera "{camera}": its clip {what}'
    return Dropped(source.name, episode.episode, reason, str(clip.video_file), camera)
