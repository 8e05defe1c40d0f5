"""Statistics of a dataset, computed from all its frames; nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from lecompose import statistics
from lecompose.concurrency import Progress
from lecompose.dataset.catalog import Catalog
from lecompose.errors import SourceBroken
from lecompose.formats import Feature
from lecompose.statistics import FeatureStats, FileRows, SampledClip
from lecompose.statistics.options import StatsOptions


def measure_dataset(
    catalog: Catalog, wanted: StatsOptions, *, scratch: Path, progress: Progress
) -> dict[str, Any]:
    """Return the statistics of the one dataset in the catalog, by feature, as stats.json has them.

    Raises:
        SourceBroken: if a data file cannot be read.
        MediaError: if a picture cannot be read.
    """
    (source,) = catalog.sources
    workers = catalog.engine.workers(progress)
    rows = catalog.engine.rows("statistics/numbering")
    files = list(_group_by_file(rows))
    numeric = [f for f in source.columns if f.is_numeric]
    looked = [f for f in source.features if wanted.pictures and f.is_visual]
    clips = {f.name: list(_list_clips(catalog, f, files)) for f in looked}
    size_bytes = sum(statistics.estimate_pictures_bytes(of_camera) for of_camera in clips.values())
    found = _measure_bookkeeping(rows, wanted.quantiles)
    unknown = [f for f in numeric if f.name not in found]
    progress.stage("stats", statistics.estimate_numbers_bytes(workers, files, unknown) + size_bytes)
    found |= statistics.measure_numbers(workers, files, unknown, quantiles=wanted.quantiles)
    for camera in looked:
        found[camera.name] = statistics.measure_pictures(
            workers, clips[camera.name], camera, quantiles=wanted.quantiles
        )
    return {
        f.name: found[f.name].as_json(wanted.names, nested=f.is_visual)
        for f in source.features
        if f.name in found and found[f.name].has_value
    }


def _group_by_file(rows: Sequence[dict[str, Any]]) -> Iterator[FileRows]:
    for path, group in groupby(rows, key=lambda row: row["data_file"]):
        yield FileRows(Path(path), tuple((row["row_from"], row["row_to"]) for row in group))


def _measure_bookkeeping(
    rows: Sequence[dict[str, Any]], quantiles: Mapping[str, float]
) -> dict[str, FeatureStats]:
    """Return the statistics of index, episode, task and frame numbers, which follow from the catalog."""
    lengths = [row["frames"] for row in rows]
    if not sum(lengths):
        return {}
    tasks = [told for row in rows for told in row["task_frames"].items()]
    found = statistics.measure_bookkeeping(lengths, quantiles)
    found["episode_index"] = statistics.measure_constants(
        [row["src_episode"] for row in rows], lengths, quantiles
    )
    if sum(frames for _, frames in tasks) == sum(lengths):
        numbers, frames = zip(*tasks, strict=True)
        found["task_index"] = statistics.measure_constants(numbers, frames, quantiles)
    if [row["index_from"] for row in rows] != [0, *accumulate(lengths[:-1])]:
        del found["index"]
    return found


def _list_clips(catalog: Catalog, camera: Feature, files: list[FileRows]) -> Iterator[SampledClip]:
    if camera.is_video:
        rows = catalog.engine.rows("statistics/clips_of_source", camera=camera.name)
        _refuse_missing_videos(camera, [row["src_episode"] for row in rows if row["video_file"] is None])
        for row in rows:
            yield SampledClip(Path(row["video_file"]), row["from_frame"], row["to_frame"])
    else:
        yield from (SampledClip(file.path, *rows) for file in files for rows in file.rows)


def _refuse_missing_videos(camera: Feature, episodes: list[int]) -> None:
    if episodes:
        lines = [f"episode {number}: the episode list names no video file" for number in episodes]
        raise SourceBroken(
            f'camera "{camera.name}" lacks videos',
            hint="lecompose repair, or without the pictures",
            parts=lines,
        )
