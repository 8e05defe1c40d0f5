"""Statistics of pictures: some frames of each episode, downsampled, as LeRobot 0.6.1 samples them.

Pictures have few distinct values, so that counting these gives exact statistics of every pixel looked at,
quantiles included, in a few kilobytes an episode. Depth in metres is of floats: the pixels of an episode are
sorted, and kept in a file until all episodes are known.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lecompose.concurrency import Workers
from lecompose.errors import OutputUnwritable, SourceBroken
from lecompose.files import mp4
from lecompose.files.parquet.damage import reading_parquet
from lecompose.files.picture_files import read_picture
from lecompose.formats import DEPTH_CODES, PICTURE_BATCH_ROWS, Feature, depth_scale
from lecompose.statistics import tiff
from lecompose.statistics.feature_stats import FeatureStats
from lecompose.statistics.summarise_numbers import (
    Floats,
    Numbers,
    Statistics,
    summarise,
    summarise_counts,
    summarise_sorted,
)

Counts = NDArray[np.int64]

# Pictures that one job looks at, about; enough that opening a video does not matter.
_JOB_PICTURES = 200
# How the names of statistics begin in a file of what was seen.
_OF = "episodes/"


@dataclass(frozen=True)
class SampledClip:
    """One episode's pictures: frames of a video file, or rows of a data file.

    Pictures that are no more than paths are files below `root`, if that is known.
    """

    path: Path
    start: int
    end: int
    root: Path | None = None

    @property
    def sampled(self) -> list[int]:
        """The frames that are sampled.

        Source: LeRobot 0.6.1, `sample_indices`.
        """
        length = self.end - self.start
        count = max(min(100, length), min(int(length**0.75), 10_000))
        return [self.start + int(n) for n in np.round(np.linspace(0, length - 1, count))]


@dataclass(frozen=True)
class _Job:
    """Clips of one file that are looked at together, and that file's frame times if it is a video."""

    path: Path
    clips: list[SampledClip]
    times: mp4.DisplayTimes | None
    size_bytes: int


def estimate_pictures_bytes(clips: Sequence[SampledClip]) -> int:
    """Return how many bytes of progress `measure_pictures` will report."""
    return sum(path.stat().st_size for path in {clip.path for clip in clips} if path.is_file())


@dataclass(frozen=True)
class SeenClips:
    """What was seen in some clips: the statistics of each, and how often each value occurs in all of them.

    Shape: `episodes` (clips, channels) each, `counts` (channels, values).
    """

    episodes: Statistics
    counts: Counts

    def write(self, path: Path) -> None:
        """Write it to a new file. Raises OSError if that cannot be."""
        arrays: dict[str, Any] = {_OF + stat: values for stat, values in self.episodes.items()}
        with path.open("wb") as file:
            np.savez_compressed(file, counts=self.counts, **arrays)


def read_seen_clips(path: Path) -> SeenClips:
    """Return what was seen in clips and written to a file."""
    with np.load(path) as held:
        episodes = {name.removeprefix(_OF): held[name] for name in held.files if name.startswith(_OF)}
        return SeenClips(episodes, held["counts"])


def can_be_counted(feature: Feature) -> bool:
    """Return whether the pictures of a camera have few distinct values, so that clips may be seen apart."""
    return not _is_of_floats(feature)


def look_at_clips(
    clips: Sequence[SampledClip],
    feature: Feature,
    *,
    quantiles: Mapping[str, float],
    times: mp4.DisplayTimes | None = None,
    on_frame: Callable[[], None] = lambda: None,
    on_clip: Callable[[], None] = lambda: None,
) -> SeenClips:
    """Return what is seen in some clips of one file; `times` are those of its frames, if they are known.

    Raises:
        MediaError: if a picture cannot be decoded.
        SourceBroken: if the file cannot be read.
    """
    if feature.is_video and times is None:
        times = mp4.read_display_times(clips[0].path)
    values = _sample_values(feature)
    total = np.zeros((feature.stat_size, len(values)), np.int64)
    found = []
    for clip in clips:
        counts = _count_values(_decode_clip(clip, times, feature, on_frame), feature, len(values))
        found.append(_summarise(values, counts, len(clip.sampled), quantiles))
        total += counts
        on_clip()
    return SeenClips({stat: np.stack([each[stat] for each in found]) for stat in found[0]}, total)


def measure_pictures(
    workers: Workers,
    clips: Sequence[SampledClip],
    feature: Feature,
    *,
    quantiles: Mapping[str, float],
    on_frame: Callable[[], None] = lambda: None,
    find_seen: Callable[[Path], SeenClips | None] = lambda path: None,
) -> FeatureStats:
    """Return the statistics of a camera over all its clips, and over each of them.

    `count` is the number of sampled pictures. `on_frame` is called for each frame that is decoded.
    `find_seen` gives what others have seen in all clips of a file, in their order; None if nobody has looked.
    Units: RGB is 0 to 1; depth is in the unit that the feature declares.

    Raises:
        MediaError: if a picture cannot be decoded.
        SourceBroken: if a file cannot be read.
    """
    if _is_of_floats(feature):
        return _measure_by_sorting(workers, clips, feature, quantiles, on_frame)
    values = _sample_values(feature)
    total = np.zeros((feature.stat_size, len(values)), np.int64)
    order, episodes = list[int](), list[Statistics]()
    by_file: dict[Path, list[int]] = {}
    for number, clip in enumerate(clips):
        by_file.setdefault(clip.path, []).append(number)
    for path, numbers in by_file.items():
        seen = find_seen(path)
        if seen is not None:
            order += numbers
            episodes.append(seen.episodes)
            total += seen.counts
            workers.advance(path.stat().st_size)
    others = sorted({*range(len(clips))} - {*order})

    def look(job: _Job) -> SeenClips:
        each_bytes = job.size_bytes // len(job.clips)
        return look_at_clips(
            job.clips,
            feature,
            quantiles=quantiles,
            times=job.times,
            on_frame=on_frame,
            on_clip=lambda: workers.advance(each_bytes),
        )

    jobs = list(_make_jobs(workers, [clips[n] for n in others], feature))
    for seen in workers.each(jobs, look) if jobs else ():
        episodes.append(seen.episodes)
        total += seen.counts
    places = np.argsort([*order, *others])
    whole = _summarise(values, total, sum(len(clip.sampled) for clip in clips), quantiles)
    return FeatureStats(whole, {stat: np.concatenate([e[stat] for e in episodes])[places] for stat in whole})


def _summarise(values: Floats, counts: Counts, pictures: int, quantiles: Mapping[str, float]) -> Statistics:
    return summarise_counts(values, counts, quantiles) | {"count": np.array([float(pictures)])}


def _is_of_floats(feature: Feature) -> bool:
    return feature.is_depth and not feature.is_video and feature.info.get("depth_unit") == "m"


def _measure_by_sorting(
    workers: Workers,
    clips: Sequence[SampledClip],
    feature: Feature,
    quantiles: Mapping[str, float],
    on_frame: Callable[[], None],
) -> FeatureStats:
    """Do what `measure_pictures` does, for pictures with too many distinct values to count them."""

    def look(numbered: tuple[int, _Job]) -> list[tuple[Numbers, Statistics]]:
        path, job = Path(folder) / str(numbered[0]), numbered[1]
        runs = []
        with path.open("wb") as file:
            for clip in job.clips:
                looked = _decode_clip(clip, job.times, feature, on_frame)
                numbers = np.concatenate([_downsample(picture).ravel() for picture in looked])
                runs.append((len(numbers), summarise(numbers[None], quantiles)))  # sorts them
                numbers.tofile(file)
                workers.advance(job.size_bytes // len(job.clips))
        held = np.memmap(path, np.float32, "r")
        ends = np.cumsum([0, *(length for length, _ in runs)])
        return [(held[a:b], found) for (a, b), (_, found) in zip(pairwise(ends), runs, strict=True)]

    with TemporaryDirectory(dir=workers.scratch) as folder:
        try:
            parts = [
                run
                for job in workers.each(list(enumerate(_make_jobs(workers, clips, feature))), look)
                for run in job
            ]
        except OSError as error:
            raise OutputUnwritable(
                "no room for the pixels of depth pictures", reason=error, path=folder
            ) from error
        each = [{stat: float(values[0]) for stat, values in found.items()} for _, found in parts]
        whole = summarise_sorted([numbers for numbers, _ in parts], each, quantiles)
        count = {"count": np.array([[float(len(clip.sampled))] for clip in clips])}
        episodes = {stat: np.stack([found[stat] for _, found in parts]) for stat in whole} | count
    return FeatureStats(whole | {"count": count["count"].sum(axis=0)}, episodes)


def _sample_values(feature: Feature) -> Floats:
    """Return the numbers that the samples of pictures stand for.

    Source: LeRobot 0.6.1 divides RGB by 255, and turns the codes of depth videos back into lengths.
    """
    if not feature.is_depth:
        return np.arange(256) / 255
    if not feature.is_video:
        return np.arange(2**16, dtype=np.float64)
    scale = depth_scale(feature)
    metres = np.linspace(*scale.ends, DEPTH_CODES)
    if scale.is_log:
        metres = np.exp(metres) - scale.shift
    clipped: Floats = np.clip(metres, scale.low, scale.high)
    return clipped if feature.info.get("depth_unit") == "m" else np.rint(clipped * 1000)


# Looking ----------------------------------------------------------------------------------------


def _make_jobs(workers: Workers, clips: Sequence[SampledClip], feature: Feature) -> Iterator[_Job]:
    """Yield the clips in their order, as jobs of about the same size."""
    by_file = [(path, list(group)) for path, group in groupby(clips, key=lambda clip: clip.path)]
    paths = list(dict.fromkeys(path for path, _ in by_file))
    times: list[mp4.DisplayTimes | None] = [None] * len(paths)
    if feature.is_video:
        times = [*workers.each(paths, mp4.read_display_times)]
    known = dict(zip(paths, times, strict=True))
    for path, group in by_file:
        frames = sum(clip.end - clip.start for clip in group)
        for some in _split_clips(group):
            share = sum(clip.end - clip.start for clip in some) / frames
            yield _Job(path, some, known[path], int(path.stat().st_size * share))


def _split_clips(clips: list[SampledClip]) -> Iterator[list[SampledClip]]:
    some: list[SampledClip] = []
    for clip in clips:
        some.append(clip)
        if sum(len(each.sampled) for each in some) >= _JOB_PICTURES:
            yield some
            some = []
    if some:
        yield some


def _decode_clip(
    clip: SampledClip, times: mp4.DisplayTimes | None, feature: Feature, on_frame: Callable[[], None]
) -> Iterator[mp4.Picture]:
    """Yield the sampled pictures of a clip."""
    if times is None:
        return _decode_column(clip, feature, on_frame)
    return mp4.decode_frames(clip.path, times, clip.sampled, depth=feature.is_depth, on_frame=on_frame)


def _count_values(looked: Iterator[mp4.Picture], feature: Feature, bins: int) -> Counts:
    """Return how often each value occurs. Shape: (channels, values)."""
    counts = np.zeros((feature.stat_size, bins), np.int64)
    for picture in looked:
        thin = _downsample(picture)
        for channel in range(feature.stat_size):
            counts[channel] += np.bincount(thin[..., channel].ravel(), minlength=bins)
    return counts


def _downsample(picture: mp4.Picture) -> mp4.Picture:
    """Return a smaller picture. Source: LeRobot 0.6.1, `auto_downsample_height_width`."""
    longest = max(picture.shape[:2])
    step = longest // 150 if longest >= 300 else 1
    return picture[::step, ::step]


def _decode_column(
    clip: SampledClip, feature: Feature, on_frame: Callable[[], None]
) -> Iterator[mp4.Picture]:
    """Yield the sampled pictures of a column of picture files."""
    for row, held in _read_cells(clip, feature):
        data = held.get("bytes") if held else None
        if data is None and held and held.get("path") and clip.root is not None:
            data = read_picture(clip.root, held["path"])
        if data is None:
            raise SourceBroken(f"row {row} has no bytes", feature=feature.name, path=clip.path)
        on_frame()
        if _is_of_floats(feature):
            yield tiff.decode_floats(data, name=clip.path)
        else:
            yield mp4.decode_picture(data, depth=feature.is_depth, name=clip.path)


def _read_cells(clip: SampledClip, feature: Feature) -> Iterator[tuple[int, Any]]:
    wanted = set(clip.sampled)
    with reading_parquet(clip.path), pq.ParquetFile(clip.path) as parquet:
        sizes = [parquet.metadata.row_group(n).num_rows for n in range(parquet.metadata.num_row_groups)]
        ends = np.cumsum(sizes)
        groups = [n for n, end in enumerate(ends) if end > clip.start and end - sizes[n] < clip.end]
        row = int(ends[groups[0]] - sizes[groups[0]])
        batches = parquet.iter_batches(PICTURE_BATCH_ROWS, row_groups=groups, columns=[feature.name])
        for batch in batches:
            for n in range(batch.num_rows):
                if row + n in wanted:
                    yield row + n, batch.column(0)[n].as_py()
            row += batch.num_rows
