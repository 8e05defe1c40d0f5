"""Pointers to videos that have moved, and video files that were exchanged: what shows it, camera by camera.

Clips may lie inside their files all the same, and be pictures of other episodes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lecompose import formats
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.doubtful_clips import REPAIR, CameraKey, refuse_clips
from lecompose.dataset.exchanged_files import find_exchanged
from lecompose.errors import ComposeError
from lecompose.files import mp4


@dataclass(frozen=True)
class _ClipFile:
    """What clips take of a video file, in frames; `gap` is the longest stretch of no episode before one.

    `filmed_to` is the last frame by the times that the metadata names: videos may be longer than episodes.
    """

    src_dataset: str
    camera: str
    video_file: str
    from_frame: int
    to_frame: int
    gap: int
    shortest: int
    first_episode: int
    last_episode: int
    filmed_to: int | None

    def find_outside(self, frames: int | None) -> str | None:
        """Return which clip is not in the file; None where all are, as far as is known."""
        if self.from_frame < 0:
            return f"episode {self.first_episode} begins in front of the file"
        if frames is not None and self.to_frame > frames:
            return f"episode {self.last_episode} ends behind the file"
        return None if Path(self.video_file).is_file() else f"episode {self.first_episode} has no such file"

    def count_free(self, frames: int | None) -> int:
        """Return how many frames one after the other no episode has, as far as is known."""
        return max(self.gap, 0 if frames is None else frames - self.to_frame)


def refuse_moved_pointers(
    catalog: Catalog,
    *,
    sources: Collection[str],
    cameras: Collection[CameraKey],
    frames: Mapping[str, int],
    read: Collection[str] | None = None,
    remedy: str = REPAIR,
) -> None:
    """Refuse cameras whose clips lie in files that are not theirs.

    In v3.0 some clips are outside of their files, while other frames belong to no episode: such pointers are
    moved, and those that lie in their files may lead to pictures of others, too. In any version files may be
    exchanged. `frames` says how many a file has, of the files that have been looked at; where there is a
    sign, the others are. `read` are the files whose pictures are read, None for all.

    Raises:
        SourceBroken: naming what shows it, camera by camera.
    """
    by_camera = _list_clip_files(catalog)
    by_name = {source.name: source for source in catalog.sources}
    problems = (
        f'camera "{camera}", source "{source}": {problem}'
        for source, camera in sorted(set(cameras))
        if source in sources
        if (
            problem := _find_wrong_pointers(
                by_name[source], camera, by_camera.get((source, camera)), frames, read
            )
        )
    )
    refuse_clips(problems, remedy)


def _list_clip_files(catalog: Catalog) -> dict[CameraKey, list[_ClipFile]]:
    by_camera: dict[CameraKey, list[_ClipFile]] = {}
    for file in catalog.engine.records("catalog/clip_files", _ClipFile):
        by_camera.setdefault((file.src_dataset, file.camera), []).append(file)
    return by_camera


def _find_wrong_pointers(
    source: Source,
    camera: str,
    files: Sequence[_ClipFile] | None,
    frames: Mapping[str, int],
    read: Collection[str] | None,
) -> str | None:
    """Return what shows that the pointers of a camera are moved or lost; None where nothing does."""
    if files:
        moved = _find_moved(files, frames) if source.is_v3 else None
        if moved is not None:
            return moved
        exchanged = [file for file in _find_exchanged(files, frames) if read is None or file.path in read]
        return f"{exchanged[0].problem} ({exchanged[0].path})" if exchanged else None
    if not source.is_v3:
        return None
    template = source.video_template.replace("{video_key}", camera.replace("{", "{{").replace("}", "}}"))
    there = min(source.root.glob(formats.path_glob(template)), default=None)
    return None if there is None else f"no episode names a video, and there are some. ({there})"


# Exchanged files --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExchangedFile:
    """A video file that seems to have the pictures of other episodes than its own; the first is told."""

    src_dataset: str
    camera: str
    path: str
    first_episode: int
    problem: str


def find_exchanged_files(catalog: Catalog) -> list[ExchangedFile]:
    """Return the video files that seem to be exchanged, of all cameras of the sources."""
    return [found for files in _list_clip_files(catalog).values() for found in _find_exchanged(files, {})]


def _find_exchanged(files: Sequence[_ClipFile], known: Mapping[str, int]) -> list[ExchangedFile]:
    """Return which files of a camera seem to be exchanged; `known` says of some how many frames they have."""
    frames = {Path(path): count for path, count in known.items()}
    paths = [Path(file.video_file) for file in files]
    for path in paths:
        if path not in frames and (count := mp4.count_samples(path)) is not None:
            frames[path] = count
    for take in (lambda f: f.to_frame, lambda f: max(f.to_frame, f.filmed_to or 0)):
        taken = dict(zip(paths, map(take, files), strict=True))
        exact = frames | _count_frames(p for p in paths if frames.get(p, taken[p]) != taken[p])
        exchanged = find_exchanged(taken, exact)
        if exchanged:
            return [
                ExchangedFile(
                    file.src_dataset,
                    file.camera,
                    file.video_file,
                    file.first_episode,
                    f"it has {exact[path]} frames, its episodes take {taken[path]}, and another file is the"
                    " other way round: files of the camera seem to be exchanged.",
                )
                for path, file in zip(paths, files, strict=True)
                if path in exchanged
            ]
    return []


# Moved pointers ---------------------------------------------------------------------------------


def _find_moved(files: Sequence[_ClipFile], frames: Mapping[str, int]) -> str | None:
    """Return which clips of a camera are outside of their files while frames are free; None if not both."""
    shortest = min(file.shortest for file in files)
    named = {Path(file.video_file) for file in files}
    unnamed = sorted(_list_files(named) - named)

    def look(known: Mapping[str, int]) -> tuple[list[str], list[str]]:
        outside = [
            f"{what} ({file.video_file})"
            for file in files
            if (what := file.find_outside(known.get(file.video_file)))
        ]
        free = [str(path) for path in unnamed]
        free += [f.video_file for f in files if f.count_free(known.get(f.video_file)) >= shortest]
        return outside, free

    outside, free = look(frames)
    if bool(outside) != bool(free):
        rest = [Path(f.video_file) for f in files if f.video_file not in frames]
        outside, free = look({**frames, **{str(path): n for path, n in _count_frames(rest).items()}})
    if not outside or not free:
        return None
    return f"{outside[0]}, and frames of another file belong to no episode. ({free[0]})"


def _list_files(named: Iterable[Path]) -> set[Path]:
    """Return the videos beside those that are named, in all chunks."""
    return {path for folder in {path.parent.parent for path in named} for path in folder.glob("*/*.mp4")}


def _count_frames(files: Iterable[Path]) -> dict[Path, int]:
    """Return the frames of those videos that can be read."""
    found = {}
    for file in files:
        with suppress(ComposeError):
            found[file] = mp4.probe(file).frames
    return found
