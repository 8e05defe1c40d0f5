"""Statistics of a dataset, computed from all its frames; nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from lecompose import statistics
from lecompose.concurrency import Progress
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.doubtful_clips import refuse_doubtful_clips
from lecompose.dataset.moved_pointers import refuse_moved_pointers
from lecompose.errors import SourceBroken
from lecompose.formats import Feature
from lecompose.statistics import FeatureStats, FileRows, SampledClip
from lecompose.statistics.options import StatsOptions
from lecompose.statistics.relative import measure_relative


@dataclass(frozen=True)
class _StoredEpisode:
    """Where the rows of an episode lie, and which numbers they hold; `task_frames` has its frames by task."""

    src_episode: int
    data_file: str
    row_from: int
    row_to: int
    frames: int
    index_from: int
    task_frames: dict[int, int]


@dataclass(frozen=True)
class _Clip:
    """The frames of a video file that an episode has; None where its list names no file."""

    src_episode: int
    video_file: str | None
    from_frame: int
    to_frame: int


def measure_dataset(
    catalog: Catalog, wanted: StatsOptions, *, scratch: Path, progress: Progress, is_late: bool = False
) -> dict[str, Any]:
    """Return the statistics of the one dataset in the catalog, by feature, as stats.json has them.

    Where its timestamps begin late (`is_late`), they are counted from 0 again, as in a copy.

    Raises:
        SourceBroken: if a data file cannot be read.
        MediaError: if a picture cannot be read.
    """
    (source,) = catalog.sources
    workers = catalog.engine.workers(progress)
    episodes = catalog.engine.records("statistics/numbering", _StoredEpisode)
    files = list(_group_by_file(episodes))
    numeric = [f for f in source.columns if f.is_numeric]
    looked = [f for f in source.features if wanted.pictures and f.is_visual]
    _refuse_doubtful_clips(catalog, episodes, [f.name for f in looked if f.is_video])
    clips = {f.name: list(_list_clips(catalog, f, files)) for f in looked}
    size_bytes = sum(statistics.estimate_pictures_bytes(of_camera) for of_camera in clips.values())
    found = _measure_bookkeeping(episodes, wanted.quantiles)
    if is_late:
        lengths = [episode.frames for episode in episodes]
        found["timestamp"] = statistics.measure_timestamps(lengths, source.fps, wanted.quantiles)
    unknown = [f for f in numeric if f.name not in found]
    progress.stage("stats", statistics.estimate_numbers_bytes(workers, files, unknown) + size_bytes)
    found |= statistics.measure_numbers(workers, files, unknown, quantiles=wanted.quantiles)
    for camera in looked:
        found[camera.name] = statistics.measure_pictures(
            workers, clips[camera.name], camera, quantiles=wanted.quantiles
        )
    if wanted.relative is not None:
        found[wanted.relative.feature] = measure_relative(
            workers, files, source.features, wanted.relative, wanted.quantiles
        )
    return {
        f.name: found[f.name].as_json(wanted.names, nested=f.is_visual)
        for f in source.features
        if f.name in found and found[f.name].has_value
    }


def _refuse_doubtful_clips(
    catalog: Catalog, stored: Sequence[_StoredEpisode], cameras: Sequence[str]
) -> None:
    (source,) = catalog.sources
    if cameras:
        episodes = {(source.name, episode.src_episode) for episode in stored}
        keys = {(source.name, camera) for camera in cameras}
        refuse_doubtful_clips(catalog, episodes=episodes, cameras=keys)
        refuse_moved_pointers(catalog, sources={source.name}, cameras=keys, frames={})


def _group_by_file(episodes: Sequence[_StoredEpisode]) -> Iterator[FileRows]:
    for path, group in groupby(episodes, key=lambda episode: episode.data_file):
        yield FileRows(Path(path), tuple((episode.row_from, episode.row_to) for episode in group))


def _measure_bookkeeping(
    episodes: Sequence[_StoredEpisode], quantiles: Mapping[str, float]
) -> dict[str, FeatureStats]:
    """Return the statistics of index, episode, task and frame numbers, which follow from the catalog."""
    lengths = [episode.frames for episode in episodes]
    if not sum(lengths):
        return {}
    tasks = [counted for episode in episodes for counted in episode.task_frames.items()]
    found = statistics.measure_bookkeeping(lengths, quantiles)
    found["episode_index"] = statistics.measure_constants(
        [episode.src_episode for episode in episodes], lengths, quantiles
    )
    if sum(frames for _, frames in tasks) == sum(lengths):
        numbers, frames = zip(*tasks, strict=True)
        found["task_index"] = statistics.measure_constants(numbers, frames, quantiles)
    if [episode.index_from for episode in episodes] != [0, *accumulate(lengths[:-1])]:
        del found["index"]
    return found


def _list_clips(catalog: Catalog, camera: Feature, files: list[FileRows]) -> Iterator[SampledClip]:
    if camera.is_video:
        clips = catalog.engine.records("statistics/clips_of_source", _Clip, camera=camera.name)
        _refuse_missing_videos(camera, [clip.src_episode for clip in clips if clip.video_file is None])
        for clip in clips:
            yield SampledClip(Path(str(clip.video_file)), clip.from_frame, clip.to_frame)
    else:
        (source,) = catalog.sources
        yield from (SampledClip(file.path, *rows, root=source.root) for file in files for rows in file.rows)


def _refuse_missing_videos(camera: Feature, episodes: list[int]) -> None:
    if episodes:
        lines = [f"episode {number}: the episode list names no video file" for number in episodes]
        raise SourceBroken(
            f'camera "{camera.name}" lacks videos',
            hint="lecompose repair, or without the pictures",
            parts=lines,
        )
