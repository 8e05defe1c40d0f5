"""Decodes every picture of a dataset, and finds those that cannot be decoded."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.frames import list_data_files
from lecompose.engine import Engine
from lecompose.errors import MediaError, SourceBroken
from lecompose.files import mp4
from lecompose.files.parquet.damage import read_footer, reading_parquet
from lecompose.formats import PICTURE_BATCH_ROWS

_SHOWN = 10


@dataclass(frozen=True)
class _Span:
    """Where one episode's frames lie in a video file."""

    episode: int
    start: int
    end: int


@dataclass(frozen=True)
class _Clip:
    """Where an episode lies in a video, as `verify/decodable_clips` gives it."""

    camera: str
    video_file: str
    src_episode: int
    from_frame: int
    to_frame: int


def find_undecodable(catalog: Catalog) -> Damage:
    """Return every picture that does not decode, by file and episode."""
    if not catalog.sources:
        return NO_DAMAGE
    videos = _undecodable_videos(catalog.engine)
    images = (_undecodable_images(catalog.engine, source) for source in catalog.sources)
    return as_damage(*videos, *(fault for faults in images for fault in faults))


# Videos -----------------------------------------------------------------------------------------


def _undecodable_videos(engine: Engine) -> Iterator[Fault]:
    spans: dict[tuple[str, Path], list[_Span]] = defaultdict(list)
    for clip in engine.records("verify/decodable_clips", _Clip):
        span = _Span(clip.src_episode, clip.from_frame, clip.to_frame)
        spans[clip.camera, Path(clip.video_file)].append(span)
    # Few large files leave cores idle, so that each decoder then takes several.
    threads = max(1, engine.threads // max(1, len(spans)))
    lost = engine.workers().each(list(spans), lambda at: _lost(at[1], threads))
    for ((camera, path), held), frames in zip(spans.items(), lost, strict=True):
        if isinstance(frames, str):
            yield Fault("pictures_decode", path, frames, held[0].episode, camera)
            continue
        for episode, own in _by_episode(held, frames):
            yield Fault("pictures_decode", path, _problem("frame", own), episode, camera)


def _lost(path: Path, threads: int) -> list[int] | str:
    try:
        return mp4.find_undecodable_frames(path, threads=threads)
    except (MediaError, SourceBroken) as error:
        return error.fault


def _by_episode(spans: Sequence[_Span], frames: Sequence[int]) -> Iterator[tuple[int | None, list[int]]]:
    """Yield the frames of each episode, numbered in it; frames of no episode are numbered in the file."""
    known: set[int] = set()
    for span in spans:
        own = [n for n in frames if span.start <= n < span.end]
        known.update(own)
        if own:
            yield span.episode, [n - span.start for n in own]
    if rest := [n for n in frames if n not in known]:
        yield None, rest


def _problem(what: str, numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
    return f"{len(numbers)} {what}{'' if len(numbers) == 1 else 's'} not decodable: {shown}"


# Image columns ----------------------------------------------------------------------------------


def _undecodable_images(engine: Engine, source: Source) -> Iterator[Fault]:
    images = [f for f in source.columns if f.is_visual]
    files = [Path(file) for file in list_data_files(engine, source)] if images else []
    jobs = [
        (path, group, feature)
        for feature in images
        for path, groups in _groups(files)
        for group in range(groups)
    ]
    lost: dict[tuple[Path, str, int | None], list[int]] = defaultdict(list)
    found = engine.workers().each(
        jobs, lambda job: _lost_images(job[0], job[1], job[2].name, depth=job[2].is_depth)
    )
    for (path, _, feature), rows in zip(jobs, found, strict=True):
        for episode, frame in rows:
            lost[path, feature.name, episode].append(frame)
    for (path, name, episode), frames in lost.items():
        yield Fault("pictures_decode", path, _problem("picture", frames), episode, name)


def _groups(files: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    for path in files:
        try:
            yield path, read_footer(path).num_row_groups
        except SourceBroken:
            continue  # a fault since the footers were read


def _lost_images(path: Path, group: int, name: str, *, depth: bool) -> list[tuple[int | None, int]]:
    """Return episode and frame of each picture in a row group that does not decode."""
    lost = []
    try:
        with reading_parquet(path), pq.ParquetFile(path) as file:
            wanted = [n for n in ("episode_index", "frame_index", name) if n in file.schema_arrow.names]
            if name not in wanted:
                return []  # `columns` tells that
            for batch in file.iter_batches(PICTURE_BATCH_ROWS, row_groups=[group], columns=wanted):
                lost += [
                    _place(row) for row in batch.to_pylist() if not _decodes(row[name], path, depth=depth)
                ]
    except SourceBroken:
        return lost  # `data_readable` tells that
    return lost


def _place(row: dict[str, Any]) -> tuple[int | None, int]:
    return row.get("episode_index"), row.get("frame_index", 0)


def _decodes(cell: Any, path: Path, *, depth: bool) -> bool:
    data = cell.get("bytes") if isinstance(cell, dict) else None
    if not data:
        return False
    try:
        mp4.decode_picture(data, depth=depth, name=path)
    except MediaError:
        return False
    return True
