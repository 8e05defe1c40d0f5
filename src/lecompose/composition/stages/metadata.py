"""Writes meta/ of every output, and the lineage of its episodes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, TypeVar

import pyarrow as pa

from lecompose import formats
from lecompose.composition.context import Run
from lecompose.composition.layout import MIB, Item, number_files
from lecompose.dataset.catalog import LINEAGE_PATH
from lecompose.dataset.write_metadata import (
    ClipPointers,
    DatasetInfo,
    Episodes,
    EpisodesFile,
    Metadata,
    make_episode_rows,
    write_metadata,
)
from lecompose.formats import Feature
from lecompose.version import __version__

T = TypeVar("T")

_EPISODE_ROWS = "episode_rows"
_BYTES_A_NUMBER = 8
# Pointers, ranges and task strings of an episode's row, generously.
_BYTES_A_ROW = 512


def write_all_metadata(run: Run) -> None:
    """Write meta/ of every output.

    Raises:
        OutputUnwritable: if a file cannot be written.
    """
    run.progress.stage("metadata", 0)
    run.engine.load(_EPISODE_ROWS, _make_rows(run))
    episodes = _list_relations(run)
    for output, folder in run.folders.items():
        metadata = _describe_output(run, output, episodes)
        write_metadata(metadata, folder)
        run.count("files_written", len(metadata.episodes_files))
    _write_lineage(run)
    run.engine.drop(_EPISODE_ROWS)
    run.episode_stats.drop()


def _describe_output(run: Run, output: str, episodes: Episodes) -> Metadata:
    output_spec, tasks, totals = run.output_spec, run.layout.tasks, run.layout.totals[output]
    return Metadata(
        name=output,
        info=DatasetInfo(
            fps=output_spec.fps,
            features={f.name: _describe_feature(run, output, f) for f in output_spec.features},
            robot_type=output_spec.robot_type,
            episodes=totals.episodes,
            frames=totals.frames,
            limits=output_spec.limits,
            other=output_spec.info,
        ),
        tasks=dict(enumerate(tasks.texts.get(output, []))),
        subtasks=dict(enumerate(tasks.subtask_texts.get(output, []))) if tasks.has_subtasks else None,
        episodes=episodes,
        episodes_files=tuple(_split_into_files(run, totals.episodes, _estimate_row_bytes(run, episodes))),
        other_files=output_spec.files,
    )


def _describe_feature(run: Run, output: str, feature: Feature) -> dict[str, Any]:
    """Return a feature's entry, with what its videos in an output are like; null where they differ.

    The size is that of the first file, from which LeRobot reads it.
    """
    spec = dict(feature.spec)
    if not feature.is_video:
        return spec
    jobs = [job for job in run.layout.video_jobs if (job.out_dataset, job.camera) == (output, feature.name)]
    videos = [run.layout.videos[file] for file in {clip.video_file for job in jobs for clip in job.clips}]
    info = dict(spec["info"])
    info["video.codec"] = _only({video.codec for video in videos})
    pix_fmts = {video.pix_fmt for video in videos}
    info["video.pix_fmt"] = info["video.pix_fmt"] if None in pix_fmts else _only(pix_fmts)
    firsts = [run.layout.videos[job.clips[0].video_file] for job in jobs[:1]]
    size = next(((video.height, video.width) for video in firsts), None)
    if size is not None and size != feature.picture_shape[:2]:
        spec["shape"], spec["names"] = [*size, feature.picture_shape[2]], list(formats.PICTURE_NAMES)
        info |= {key: n for key, n in zip(("video.height", "video.width"), size, strict=True) if key in info}
    return {**spec, "info": info}


def _only(found: set[T]) -> T | None:
    return next(iter(found)) if len(found) == 1 else None


# meta/episodes ----------------------------------------------------------------------------------


def _list_relations(run: Run) -> Episodes:
    """Return the relations that hold the episodes of all outputs."""
    return Episodes(
        engine=run.engine,
        rows=_EPISODE_ROWS,
        cameras=[camera.name for camera in run.output_spec.cameras],
        stats=run.episode_stats.relation,
        stat_columns=tuple(run.episode_stats.columns(run.output_spec)),
        custom_columns=run.layout.catalog.custom.columns,
    )


def _make_rows(run: Run) -> pa.Table:
    """Return the row of each output episode, but for its statistics and the user's columns."""
    episodes, tasks = run.layout.episodes, run.layout.tasks.of_episodes
    keys = zip(*(episodes[name].to_pylist() for name in ("out_dataset", "out_episode")), strict=True)
    columns = {
        "out_dataset": episodes["out_dataset"],
        "src_dataset": episodes["src_dataset"],
        "src_episode": episodes["src_episode"],
        "episode_index": episodes["out_episode"],
        "tasks": [tasks.get(key) for key in keys],
        "length": episodes["length"],
        "data/chunk_index": episodes["chunk_index"],
        "data/file_index": episodes["file_index"],
        "dataset_from_index": episodes["from_index"],
        "dataset_to_index": episodes["to_index"],
    }
    clips = {camera.name: _point_to_clips(run, camera.name) for camera in run.output_spec.cameras}
    return make_episode_rows(columns, clips, fps=run.output_spec.fps)


def _point_to_clips(run: Run, camera: str) -> ClipPointers:
    clips = [clip for output in run.layout.totals for clip in run.layout.clips.of_cameras[output, camera]]
    return ClipPointers(
        chunk_index=[clip.chunk_index for clip in clips],
        file_index=[clip.file_index for clip in clips],
        from_frame=[clip.from_frame for clip in clips],
        to_frame=[clip.to_frame for clip in clips],
    )


def _estimate_row_bytes(run: Run, episodes: Episodes) -> int:
    numbers = sum(column.size for column in episodes.stat_columns)
    return numbers * _BYTES_A_NUMBER + _BYTES_A_ROW + run.layout.catalog.custom.row_bytes


def _split_into_files(run: Run, episodes: int, row_bytes: int) -> Iterator[EpisodesFile]:
    """Yield the files of an output of so many episodes, where an episode's row takes so many bytes."""
    limits = run.output_spec.limits
    items = [Item(row_bytes, 0)] * episodes
    numbers = list(number_files(items, limit_bytes=int(limits.data_mb * MIB)))
    for number in range(numbers[-1] + 1):
        first = bisect_left(numbers, number)
        last = bisect_right(numbers, number) - 1
        yield EpisodesFile(*divmod(number, limits.chunk_files), first, last)


# meta/lineage.parquet ---------------------------------------------------------------------------


def _write_lineage(run: Run) -> None:
    untouched = run.layout.replaced if len(run.layout.catalog.sources) > 1 else None
    for output, folder in run.folders.items():
        run.engine.run(
            "write/lineage",
            out_dataset=output,
            untouched=untouched,
            command=run.command,
            version=__version__,
            path=str(folder / LINEAGE_PATH),
        )
