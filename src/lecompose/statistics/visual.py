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
from lecompose.statistics.exact import (
    Floats,
    Numbers,
    Statistics,
    summarise,
    summarise_counts,
    summarise_sorted,
)
from lecompose.statistics.feature_stats import FeatureStats

Counts = NDArray[np.int64]

# Pictures that one job looks at, about; enough that opening a video does not matter.
_JOB_PICTURES = 200


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


def measure_pictures(
    workers: Workers,
    clips: Sequence[SampledClip],
    feature: Feature,
    *,
    quantiles: Mapping[str, float],
    on_frame: Callable[[], None] = lambda: None,
) -> FeatureStats:
    """Return the statistics of a camera over all its clips, and over each of them.

    `count` is the number of sampled pictures. `on_frame` is called for each frame that is decoded.
    Units: RGB is 0 to 1; depth is in the unit that the feature declares.

    Raises:
        MediaError: if a picture cannot be decoded.
        SourceBroken: if a file cannot be read.
    """
    if _is_of_floats(feature):
        return _measure_by_sorting(workers, clips, feature, quantiles, on_frame)
    values = _sample_values(feature)
    total = np.zeros((feature.stat_size, len(values)), np.int64)
    episodes: list[Statistics] = []

    def look(job: _Job) -> tuple[list[Statistics], Counts]:
        own = np.zeros_like(total)
        found = []
        for clip, looked in _decode_clips(job, feature, on_frame):
            counts = _count_values(looked, feature, len(values))
            found.append(_summarise(values, counts, len(clip.sampled), quantiles))
            own += counts
            workers.advance(job.size_bytes // len(job.clips))
        return found, own

    for found, counts in workers.each(list(_make_jobs(workers, clips, feature)), look):
        episodes += found
        total += counts
    whole = _summarise(values, total, sum(len(clip.sampled) for clip in clips), quantiles)
    return FeatureStats(whole, {stat: np.stack([e[stat] for e in episodes]) for stat in whole})


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
            for _, looked in _decode_clips(job, feature, on_frame):
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


def _decode_clips(
    job: _Job, feature: Feature, on_frame: Callable[[], None]
) -> Iterator[tuple[SampledClip, Iterator[mp4.Picture]]]:
    """Yield each clip with its sampled pictures."""
    for clip in job.clips:
        if job.times is None:
            yield clip, _decode_column(clip, feature, on_frame)
        else:
            depth = feature.is_depth
            yield clip, mp4.decode_frames(job.path, job.times, clip.sampled, depth=depth, on_frame=on_frame)


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
