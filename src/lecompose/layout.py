"""Plan + target → where every row and every packet lands, before a byte is written.

layout       one row an output episode: its range of the global index, data file, source rows
clip_layout  one row an output episode and camera: video file, segment, exact first frame
reads        how the rows of each data file are fetched, in order
out_tasks    the tasks of each output;  task_map  a source's task number → the output's
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import columns, media
from lecompose.catalog import Catalog
from lecompose.engine import Engine
from lecompose.errors import ComposeError, MediaError, RequestError, SourceBroken, listed
from lecompose.formats import MAX_INDEX
from lecompose.target import Target

MIB = 2**20
_NO_LIMIT = 2**62
# How far a video's own rate may be from the dataset's before it is another rate, not jitter.
_FPS_TOLERANCE = 0.01

_PIECES = pa.schema(
    [
        ("src_dataset", pa.string()),
        ("src_episode", pa.int64()),
        ("camera", pa.string()),
        ("video_file", pa.string()),
        ("from_frame", pa.int64()),
        ("to_frame", pa.int64()),
        ("lead", pa.int64()),
        ("tail", pa.int64()),
        ("size_bytes", pa.int64()),
        ("splice_key", pa.string()),
        ("closed", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Layout:
    """A run decided to the byte; the relations named above hold it."""

    catalog: Catalog
    target: Target
    schema: pa.Schema
    outputs: tuple[str, ...]
    videos: dict[str, media.Video]
    notes: tuple[str, ...]

    @property
    def engine(self) -> Engine:
        return self.catalog.engine


def lay_out(catalog: Catalog, target: Target, *, scratch: Path, notes: tuple[str, ...] = ()) -> Layout:
    """The layout of the relation `plan`. Video files are probed, nothing is decoded or written.

    Errors: SourceBroken for data files that do not hold what is declared; SourceBroken, MediaError for
    videos that are missing, unreadable or too short, all together;
    RequestError where the limits would need more files than readers can order.
    """
    engine, limits = catalog.engine, target.limits
    schema = columns.data_schema(catalog, target.columns)
    engine.table("out_tasks", "layout/tasks")
    engine.table("task_map", "layout/task_map")
    engine.table("sized_data", "layout/sized_data")
    engine.table(
        "data_file_numbers",
        "layout/files",
        {"sized": "sized_data"},
        limit_bytes=int(limits.data_mb * MIB),
        limit_frames=_NO_LIMIT,
    )
    engine.table("layout", "layout/episodes", chunk_files=limits.chunk_files)
    engine.table("reads", "layout/reads")
    videos = _lay_out_clips(catalog, target, scratch)
    _refuse_too_many_files(engine, limits.chunk_files)
    outputs = tuple(row["out_dataset"] for row in engine.rows("plan/totals"))
    warnings = tuple(f"{w}. ({path})" for path, video in videos.items() for w in video.warnings)
    return Layout(catalog, target, schema, outputs, videos, (*notes, *target.notes, *warnings))


def _lay_out_clips(catalog: Catalog, target: Target, scratch: Path) -> dict[str, media.Video]:
    engine, limits = catalog.engine, target.limits
    wanted = engine.rows("layout/clips_wanted")
    videos, pieces = _looked_at(wanted, target, scratch, threads=engine.threads)
    engine.load("pieces", pa.Table.from_pylist(pieces, schema=_PIECES))
    engine.table("clip_order", "layout/clip_order")
    engine.table(
        "clip_files",
        "layout/files",
        {"sized": "clip_order"},
        limit_bytes=int(limits.video_mb * MIB),
        limit_frames=int(limits.video_s * target.fps),
    )
    engine.table("clip_layout", "layout/clips", chunk_files=limits.chunk_files)
    return videos


def _looked_at(
    wanted: list[dict[str, Any]], target: Target, scratch: Path, *, threads: int
) -> tuple[dict[str, media.Video], list[dict[str, Any]]]:
    """Every wanted video file probed once, and the facts of every wanted clip in it."""
    by_file = [(path, list(clips)) for path, clips in groupby(wanted, key=lambda c: c["video_file"])]
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda item: _look_at(item[0], item[1], target, scratch), by_file))
    errors = [r for r in results if isinstance(r, ComposeError)]
    if errors:
        family = MediaError if any(isinstance(e, MediaError) for e in errors) else SourceBroken
        raise family(listed(f"{len(errors)} video file(s) cannot be used:", map(str, errors)))
    looked = [r for r in results if not isinstance(r, ComposeError)]
    videos = {path: video for (path, _), (video, _) in zip(by_file, looked, strict=True)}
    return videos, [piece for _, pieces in looked for piece in pieces]


def _look_at(
    path: str, clips: list[dict[str, Any]], target: Target, scratch: Path
) -> tuple[media.Video, list[dict[str, Any]]] | ComposeError:
    try:
        video = media.probe(Path(path), scratch=scratch)
        _refuse_other_rate(video, target)
        spans = [(c["from_frame"], c["to_frame"]) for c in clips]
        pieces = media.pieces(video, spans)
    except ComposeError as error:
        first = clips[0]
        where = f'camera "{first["camera"]}", source "{first["src_dataset"]}", episode {first["src_episode"]}'
        return type(error)(f"{where}: {error}")
    facts = ("lead", "tail", "size_bytes", "splice_key", "closed")
    return video, [
        {**clip, **{name: getattr(piece, name) for name in facts}}
        for clip, piece in zip(clips, pieces, strict=True)
    ]


def _refuse_other_rate(video: media.Video, target: Target) -> None:
    if video.frames > 1 and abs(video.fps / target.fps - 1) > _FPS_TOLERANCE:
        raise MediaError(
            f"the video runs at {float(video.fps):.3f} fps, the dataset at {float(target.fps):g}."
            f" Try: record or encode it again at the dataset's rate. ({video.path})"
        )


def _refuse_too_many_files(engine: Engine, chunk_files: int) -> None:
    if chunk_files > MAX_INDEX:
        raise RequestError(f"--chunk-files {chunk_files}: readers order file-1000 before file-101. Try: 1000")
    worst = max((row["chunks"] for row in engine.rows("layout/chunks")), default=0)
    if worst > MAX_INDEX:
        raise RequestError(
            f"the output would need {worst} chunk folders, and readers order chunk-1000 before chunk-101."
            " Try: larger --data-mb, --video-mb or --chunk-files"
        )


def jobs(rows: list[dict[str, Any]], *key: str) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """`rows`, sorted by `key` as SQL gave them, as one (key, rows) an output file."""
    return ((k, list(group)) for k, group in groupby(rows, key=lambda row: tuple(row[c] for c in key)))
