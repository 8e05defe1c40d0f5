"""Where the pictures of each episode are, and which episodes have all of theirs."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from lecompose.checks.repair.episodes import Clip, Dropped, Salvage, Sound
from lecompose.dataset.catalog import Source
from lecompose.engine import Engine
from lecompose.errors import ComposeError, MediaError, OutputUnwritable, SourceBroken
from lecompose.files import mp4

# How far a video's own rate may be from the dataset's before it is another rate, not jitter.
_FPS_TOLERANCE = 0.01
_Clips = dict[int, Clip]
"""By episode."""


def with_clips(
    engine: Engine, source: Source, salvage: Salvage, *, scratch: Path, without: frozenset[str]
) -> Salvage:
    """The episodes with their clips; those whose pictures are not all there are not sound.

    A clip is taken where the metadata says, if it lies inside of its file and beside its neighbours. Where
    one does not, but the file is exactly as long as its episodes, they follow each other. Of a file whose end
    is cut off, what is whole is copied into `scratch`.
    """
    told = _told(engine, source, salvage.episodes)
    for camera in source.cameras:
        if camera.name not in without:
            salvage = _of_camera(source, camera.name, told[camera.name], salvage, engine.threads, scratch)
    return salvage


def _told(engine: Engine, source: Source, episodes: Sequence[Sound]) -> dict[str, _Clips]:
    """The clips as the metadata has them; in v2.x each episode has a file of its own, listed or not."""
    told: dict[str, _Clips] = defaultdict(dict)
    moved = _moved(source)
    for row in engine.rows("repair/clips"):
        if row["video_file"] is not None:
            first = -1 if row["from_frame"] is None else row["from_frame"]
            told[row["camera"]][row["src_episode"]] = Clip(moved(Path(row["video_file"])), first)
    for episode in episodes if not source.is_v3 else ():
        for camera in source.cameras:
            path = moved(_v2_file(source, camera.name, episode.episode))
            told[camera.name].setdefault(episode.episode, Clip(path, 0))
    return told


def _v2_file(source: Source, camera: str, episode: int) -> Path:
    template = source.video_template
    chunk = episode // source.chunks_size
    return source.root / template.format(video_key=camera, episode_chunk=chunk, episode_index=episode)


def _moved(source: Source) -> Callable[[Path], Path]:
    """Where a video is: as info.json says or, if there is no such folder, in the one folder with videos."""
    folder = source.video_template.partition("/")[0]
    others = [
        path
        for path in source.root.iterdir()
        if path.is_dir() and path.name not in ("meta", "data") and next(path.rglob("*.mp4"), None)
    ]
    if (source.root / folder).exists() or "{" in folder or len(others) != 1:
        return lambda path: path
    return lambda path: others[0] / path.relative_to(source.root / folder)


def _of_unlisted(camera: str, told: _Clips, episodes: Sequence[Sound], frames: Mapping[Path, int]) -> _Clips:
    """Clips of episodes behind the listed ones, as a crash leaves them: each follows the one before.

    Only where every frame of the files is then an episode's can that be told.
    """
    unlisted = [e for e in episodes if e.episode not in told]
    if not frames or not unlisted or min(e.episode for e in unlisted) < max(told, default=-1):
        return {}
    path, at = min(frames), 0
    if told:
        last = told[max(told)]
        lengths = {e.episode: e.length for e in episodes}
        path, at = last.video_file, last.from_frame + lengths.get(max(told), 0)
    rest = [file for file in sorted(frames) if file > path]
    found: _Clips = {}
    for episode in unlisted:
        if at == frames.get(path) and rest:
            path, at = rest.pop(0), 0
        found[episode.episode] = Clip(path, at)
        at += episode.length
    return found if at == frames.get(path) and not rest else {}


def _of_camera(
    source: Source, camera: str, told: _Clips, salvage: Salvage, threads: int, scratch: Path
) -> Salvage:
    paths = sorted({told[e.episode].video_file for e in salvage.episodes if e.episode in told})
    looked = dict(_looked_at([*paths, *_beside(paths, camera, source)], threads, scratch))
    videos = {path: video for path, video in looked.items() if isinstance(video, mp4.Video)}
    whole = {path: video.frames for path, video in videos.items() if not video.is_truncated}
    told = told | _of_unlisted(camera, told, salvage.episodes, whole)
    files: dict[Path, list[Sound]] = defaultdict(list)
    dropped = []
    for episode in salvage.episodes:
        if episode.episode in told:
            files[told[episode.episode].video_file].append(episode)
        else:
            dropped.append(Dropped(source.name, episode.episode, f'camera "{camera}": no video is named'))
    found: _Clips = {}
    notes = []
    for path, held in files.items():
        fault = _fault(looked[path], path, source)
        if fault is not None:
            reason = f'camera "{camera}": {fault}'
            dropped += [Dropped(source.name, e.episode, reason, str(path)) for e in held]
            continue
        placed, moved = _placed(videos[path], held, told)
        found |= placed
        if moved:
            notes.append(
                f'source "{source.name}", camera "{camera}": the episodes follow each other in the video, and'
                f" its pointers were others. ({path})"
            )
        if placed and videos[path].is_truncated:
            copy = _copied(videos[path], source, scratch)
            found |= {n: replace(clip, video_file=copy) for n, clip in placed.items()}
        lost = [e for e in held if e.episode not in placed]
        dropped += [_outside(source, camera, e, told[e.episode], videos[path]) for e in lost]
    salvage = salvage.without(dropped, *notes)
    return replace(
        salvage,
        episodes=tuple(_with_clip(e, camera, found) for e in salvage.episodes),
        rates=salvage.rates | {float(v.fps) for p, v in videos.items() if p in files and v.frames > 1},
    )


def _beside(paths: Sequence[Path], camera: str, source: Source) -> list[Path]:
    """Other videos of the camera, which no episode names; in v2.x a file is an episode's by its name."""
    if not source.is_v3:
        return []
    template = source.video_template
    folder = _moved(source)(source.root / template.partition("{")[0] / camera)
    return sorted(set(folder.glob("*/*.mp4")) - set(paths))


def _fault(video: mp4.Video | ComposeError, path: Path, source: Source) -> str | None:
    """Why a video is none to take clips from; None where it is."""
    if isinstance(video, ComposeError):
        return video.fault
    if video.frames > 1 and abs(video.fps / source.fps - 1) > _FPS_TOLERANCE:
        return f"the video runs at {float(video.fps):g} fps, the dataset at {float(source.fps):g}"
    return None


def _with_clip(episode: Sound, camera: str, found: _Clips) -> Sound:
    return replace(episode, clips={**episode.clips, camera: found[episode.episode]})


def _looked_at(
    paths: Sequence[Path], threads: int, scratch: Path
) -> Iterator[tuple[Path, mp4.Video | ComposeError]]:
    """Each video, or what is whole of it, or why it cannot be read."""
    with ThreadPoolExecutor(threads) as pool:
        yield from zip(paths, pool.map(lambda path: _look(path, scratch), paths), strict=True)


def _look(path: Path, scratch: Path) -> mp4.Video | ComposeError:
    try:
        return _readable(mp4.probe(path, scratch=scratch))
    except (SourceBroken, OutputUnwritable) as error:
        return error
    except MediaError as error:
        with suppress(MediaError, SourceBroken):
            return _readable(mp4.probe_truncated(path))
        return error


def _readable(video: mp4.Video) -> mp4.Video:
    """The same. Errors: MediaError where its keyframes cannot be read."""
    mp4.probe_clips(video, [(0, video.frames)])
    return video


def _copied(video: mp4.Video, source: Source, scratch: Path) -> Path:
    """What is whole of a cut video, as a video with the time of change of the original: it is no other."""
    folder = scratch / "whole"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{len(list(folder.iterdir()))}.mp4"
    mp4.concat([mp4.Segment(video, 0, video.frames)], copy, fps=source.fps)
    os.utime(copy, ns=(video.track.modified_ns, video.track.modified_ns))
    return copy


def _placed(video: mp4.Video, episodes: Sequence[Sound], told: _Clips) -> tuple[_Clips, bool]:
    """The clips of a file's episodes that can be trusted, and whether they are others than was told."""
    frames = video.frames
    inside = {e.episode: told[e.episode] for e in episodes if _fits(told[e.episode], e, frames)}
    apart = {n: clip for n, clip in inside.items() if not _overlaps(n, episodes, inside)}
    if len(apart) == len(episodes):
        return apart, False
    lengths = [e.length for e in episodes]
    if sum(lengths) == frames and not video.is_truncated:
        starts = accumulate(lengths, initial=0)
        return {e.episode: Clip(video.path, at) for e, at in zip(episodes, starts, strict=False)}, True
    return apart, False


def _fits(clip: Clip, episode: Sound, frames: int) -> bool:
    return clip.from_frame >= 0 and clip.from_frame + episode.length <= frames


def _overlaps(number: int, episodes: Iterable[Sound], inside: Mapping[int, Clip]) -> bool:
    """Whether another episode's clip has some of the frames."""
    lengths = {e.episode: e.length for e in episodes}
    first = inside[number].from_frame
    end = first + lengths[number]
    return any(
        other != number and clip.from_frame < end and first < clip.from_frame + lengths[other]
        for other, clip in inside.items()
    )


def _outside(source: Source, camera: str, episode: Sound, clip: Clip, video: mp4.Video) -> Dropped:
    end = clip.from_frame + episode.length
    if _fits(clip, episode, video.frames):
        what = "has frames of other episodes"
    else:
        lost = ", the end of which is cut off" if video.is_truncated else ""
        what = f"is frames {clip.from_frame} to {end - 1} of a video of {video.frames}{lost}"
    reason = f'camera "{camera}": its clip {what}'
    return Dropped(source.name, episode.episode, reason, str(clip.video_file))
