"""Every picture of a dataset, decoded: which of them do not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.checks.faults import Reading, without_path
from lecompose.dataset.catalog import Catalog, Source
from lecompose.errors import MediaError, SourceBroken
from lecompose.files import mp4

_BATCH_ROWS = 16
_SHOWN = 10


@dataclass(frozen=True)
class _Span:
    """Where one episode's frames lie in a video file."""

    episode: int
    start: int
    end: int


def note_undecodable(catalog: Catalog, reading: Reading) -> None:
    """Note every picture that does not decode, by file and episode."""
    for source in catalog.sources:
        with ThreadPoolExecutor(catalog.engine.threads) as pool:
            _note_videos(catalog, reading, pool)
            _note_images(catalog, source, reading, pool)


# Videos -----------------------------------------------------------------------------------------


def _note_videos(catalog: Catalog, reading: Reading, pool: ThreadPoolExecutor) -> None:
    spans: dict[tuple[str, Path], list[_Span]] = defaultdict(list)
    for row in catalog.engine.rows("verify/decodable_clips"):
        at = (row["camera"], Path(row["video_file"]))
        spans[at].append(_Span(row["src_episode"], row["from_frame"], row["to_frame"]))
    # Few large files leave cores idle, so that each decoder then takes several.
    threads = max(1, catalog.engine.threads // max(1, len(spans)))
    lost = pool.map(lambda at: _lost(at[1], threads), spans)
    for ((camera, path), held), frames in zip(spans.items(), lost, strict=True):
        if isinstance(frames, str):
            reading.note("pictures_decode", path, frames, episode=held[0].episode, feature=camera)
            continue
        for episode, own in _by_episode(held, frames):
            reading.note("pictures_decode", path, _problem("frame", own), episode=episode, feature=camera)


def _lost(path: Path, threads: int) -> list[int] | str:
    try:
        return mp4.find_undecodable_frames(path, threads=threads)
    except (MediaError, SourceBroken) as error:
        return without_path(error, path)


def _by_episode(spans: Sequence[_Span], frames: Sequence[int]) -> Iterator[tuple[int | None, list[int]]]:
    """The frames of each episode, numbered as in the episode; those of none as in the file."""
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


def _note_images(catalog: Catalog, source: Source, reading: Reading, pool: ThreadPoolExecutor) -> None:
    images = [f for f in source.columns if f.is_visual]
    if not images:
        return
    files = [
        Path(row["data_file"])
        for row in catalog.engine.rows("catalog/data_file_list", src_dataset=source.name)
    ]
    jobs = [
        (path, group, feature)
        for feature in images
        for path, groups in _groups(files)
        for group in range(groups)
    ]
    lost: dict[tuple[Path, str, int | None], list[int]] = defaultdict(list)
    found = pool.map(lambda job: _lost_images(job[0], job[1], job[2].name, depth=job[2].is_depth), jobs)
    for (path, _, feature), rows in zip(jobs, found, strict=True):
        for episode, frame in rows:
            lost[path, feature.name, episode].append(frame)
    for (path, name, episode), frames in lost.items():
        reading.note("pictures_decode", path, _problem("picture", frames), episode=episode, feature=name)


def _groups(files: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    for path in files:
        try:
            yield path, pq.read_metadata(path).num_row_groups
        except (pa.ArrowException, OSError):
            continue  # told when the footers were read


def _lost_images(path: Path, group: int, name: str, *, depth: bool) -> list[tuple[int | None, int]]:
    """Episode and frame of each picture in a row group that does not decode."""
    lost = []
    try:
        with pq.ParquetFile(path) as file:
            wanted = [n for n in ("episode_index", "frame_index", name) if n in file.schema_arrow.names]
            if name not in wanted:
                return []  # `columns` tells that
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=wanted):
                lost += [
                    _place(row) for row in batch.to_pylist() if not _decodes(row[name], path, depth=depth)
                ]
    except (pa.ArrowException, OSError):
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
