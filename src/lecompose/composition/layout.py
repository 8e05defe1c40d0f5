"""Plan + output_spec → where every row and every packet lands, before a byte is written.

strides      of how many frames of a source the first is taken
layout       one row an output episode: its range of the global index, data file, source rows
clip_layout  one row an output episode and camera: video file, segment, exact first frame, encoded or copied
reads        how the rows of each data file are fetched, in order
out_tasks    the tasks of each output;  task_map  a source's task number → the output's
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.composition.computed_features import ComputedFeature
from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset import arrow_schema
from lecompose.dataset.catalog import Catalog
from lecompose.engine import Engine
from lecompose.errors import (
    ComposeError,
    FeatureMismatch,
    MediaError,
    RequestError,
    SourceBroken,
)
from lecompose.files import mp4
from lecompose.formats import MAX_INDEX

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
        ("preroll", pa.int64()),
        ("postroll", pa.int64()),
        ("size_bytes", pa.int64()),
        ("compat_key", pa.string()),
        ("closed_gop", pa.bool_()),
    ]
)


_STRIDES = pa.schema([("src_dataset", pa.string()), ("stride", pa.int64())])
_CAMERAS = pa.schema([(name, pa.string()) for name in ("src_dataset", "src_camera", "camera")])
_VIDEO_FRAMES = pa.schema([("video_file", pa.string()), ("frames", pa.int64())])
_ENCODINGS = pa.schema([("video_file", pa.string()), ("compat_key", pa.string())])


@dataclass(frozen=True)
class Reencoded:
    """One clip whose packets cannot be copied without frames of others; `reason` says why.

    `psnr_db` is how near the encoded pictures came to the source's, infinite where nothing was lost; None
    before the run.
    """

    output: str
    episode: int
    camera: str
    src_dataset: str
    src_episode: int
    frames: int
    reason: str
    psnr_db: float | None = None

    @property
    def clip(self) -> str:
        """The clip as messages name it."""
        return _clip(self.camera, self.src_dataset, self.src_episode)


@dataclass(frozen=True)
class Layout:
    """A run decided to the byte; the relations named above hold it.

    `encodings` says of each file in `videos` that holds a `reencoded` clip how that is done.
    `unreferenced_frames` counts frames in `videos` that no episode of their source refers to.
    `has_subtasks` where subtask_index is numbered anew; then `out_subtasks` is there too.
    `computed` are the values of new features, by their names.
    """

    catalog: Catalog
    output_spec: OutputSpec
    schema: pa.Schema
    outputs: tuple[str, ...]
    videos: dict[str, mp4.Video]
    notes: tuple[str, ...]
    encodings: dict[str, mp4.Encoding] = field(default_factory=dict)
    reencoded: tuple[Reencoded, ...] = ()
    unreferenced_frames: int = 0
    has_subtasks: bool = False
    computed: Mapping[str, ComputedFeature] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        return self.catalog.engine

    @cached_property
    def totals(self) -> dict[str, dict[str, Any]]:
        """How much goes into each output."""
        return {row["out_dataset"]: row for row in self.engine.rows("layout/totals")}

    @cached_property
    def files(self) -> list[dict[str, Any]]:
        """The data and video files of every output."""
        return self.engine.rows("layout/output_files")


def lay_out(
    catalog: Catalog,
    output_spec: OutputSpec,
    *,
    scratch: Path,
    notes: tuple[str, ...] = (),
    reencode: bool = True,
    computed: Sequence[ComputedFeature] = (),
) -> Layout:
    """The layout of the relation `plan`. Video files are probed, nothing is decoded or written.

    `computed` are the output's features that no source has.

    Errors: SourceBroken for data files that do not hold what is declared; SourceBroken, MediaError for
    videos that are missing, unreadable or too short, all together; MediaError for clips that would have
    to be encoded again and cannot, or must not because `reencode` is off;
    RequestError where the limits would need more files than readers can order.
    """
    engine, limits = catalog.engine, output_spec.limits
    schema = arrow_schema.data_schema(catalog, output_spec.columns, output_spec.taken)
    engine.load("strides", _strides(output_spec))
    engine.table("appearances", "layout/appearances")
    engine.table("out_tasks", "layout/tasks")
    engine.table("task_map", "layout/task_map")
    has_subtasks = _number_subtasks(catalog, output_spec)
    engine.table("sized_data", "layout/sized_data", concatenate=limits.concatenate_data)
    engine.table(
        "data_file_numbers",
        "layout/files",
        {"sized": "sized_data"},
        limit_bytes=int(limits.data_mb * MIB) if limits.concatenate_data else _NO_LIMIT,
        limit_frames=_NO_LIMIT,
    )
    engine.table("layout", "layout/episodes", chunk_files=limits.chunk_files)
    engine.table("reads", "layout/reads")
    videos = _cut_clips(catalog, output_spec, scratch)
    uncut = engine.rows("layout/reencoded")
    reencoded = tuple(_reencoded(row) for row in uncut)
    if not reencode:
        _refuse_reencoding(reencoded)
    encodings = _encodings(output_spec, videos, uncut)
    _place_clips(engine, output_spec, encodings)
    _refuse_too_many_files(engine, limits.chunk_files)
    outputs = tuple(row["out_dataset"] for row in engine.rows("plan/totals"))
    warnings = tuple(f"{w}. ({path})" for path, video in videos.items() for w in video.warnings)
    return Layout(
        catalog,
        output_spec,
        schema,
        outputs,
        videos,
        notes=(*notes, *output_spec.notes, *warnings),
        encodings=encodings,
        reencoded=reencoded,
        unreferenced_frames=_unreferenced(engine, videos),
        has_subtasks=has_subtasks,
        computed={column.feature.name: column for column in computed},
    )


def _strides(output_spec: OutputSpec) -> pa.Table:
    rows = [
        {"src_dataset": source, "stride": stride} for source, stride in output_spec.resampling.strides.items()
    ]
    return pa.Table.from_pylist(rows, schema=_STRIDES)


def _number_subtasks(catalog: Catalog, output_spec: OutputSpec) -> bool:
    """Whether texts stand behind the output's subtask_index, which is then numbered anew as tasks are.

    Errors: FeatureMismatch where some sources have those texts and others only numbers; SourceBroken for
    numbers without a text.
    """
    name = formats.SUBTASK_INDEX
    if name not in [f.name for f in output_spec.columns]:
        return False
    giving = [s for s in catalog.sources if any(f.name == name for f in s.columns)]
    lacking = [s.name for s in giving if not s.has_subtasks]
    if len(lacking) == len(giving):
        return False
    if lacking:
        lines = [f'source "{source}" has no {formats.SUBTASKS_PATH}' for source in lacking]
        raise FeatureMismatch("other sources have texts for its numbers", feature=name, parts=lines)
    catalog.engine.table("out_subtasks", "layout/subtasks")
    unknown = [r for r in catalog.engine.rows("layout/subtask_map") if r["task_index"] is None]
    if unknown:
        lines = [f'source "{r["src_dataset"]}": subtask_index {r["src_task"]}' for r in unknown]
        raise SourceBroken(f"subtasks without one text in {formats.SUBTASKS_PATH}", parts=lines)
    return True


def _cut_clips(catalog: Catalog, output_spec: OutputSpec, scratch: Path) -> dict[str, mp4.Video]:
    """The video files that the plan needs; which of their clips can be copied is then in `clip_cuts`."""
    engine = catalog.engine
    engine.load("taken_cameras", _taken_cameras(output_spec))
    wanted = engine.rows("layout/clips_wanted")
    rates = {source.name: source.fps for source in catalog.sources}
    videos, pieces = _looked_at(wanted, rates, scratch, threads=engine.threads)
    engine.load("pieces", pa.Table.from_pylist(pieces, schema=_PIECES))
    engine.table("clip_cuts", "layout/clip_cuts")
    return videos


def _taken_cameras(output_spec: OutputSpec) -> pa.Table:
    """The cameras of each source, and what the output calls them."""
    rows = [
        {"src_dataset": source, "src_camera": own.name, "camera": camera.name}
        for source, takes in output_spec.taken.items()
        for camera in output_spec.cameras
        if (own := takes[camera.name].feature)
    ]
    return pa.Table.from_pylist(rows, schema=_CAMERAS)


def _place_clips(engine: Engine, output_spec: OutputSpec, encodings: dict[str, mp4.Encoding]) -> None:
    limits = output_spec.limits
    keys = [{"video_file": path, "compat_key": how.compat_key} for path, how in encodings.items()]
    engine.load("encodings", pa.Table.from_pylist(keys, schema=_ENCODINGS))
    engine.table("clip_order", "layout/clip_order", concatenate=limits.concatenate_videos)
    engine.table("clip_items", "layout/clip_items")
    engine.table(
        "clip_files",
        "layout/files",
        {"sized": "clip_items"},
        limit_bytes=int(limits.video_mb * MIB) if limits.concatenate_videos else _NO_LIMIT,
        limit_frames=int(limits.video_s * output_spec.fps) if limits.concatenate_videos else _NO_LIMIT,
    )
    engine.table("clip_layout", "layout/clips", chunk_files=limits.chunk_files)


def _reencoded(row: dict[str, Any]) -> Reencoded:
    before, behind, stride = row["frames_before"], row["frames_behind"], row["stride"]
    reasons = []
    if stride > 1:
        reasons.append(f"of every {stride} frames one is taken")
    if before:
        reasons.append(f"starts {_frames(before)} behind a keyframe")
    if behind:
        reasons.append(f"its last frames need {_frames(behind)} behind it")
    return Reencoded(
        output=row["out_dataset"],
        episode=row["out_episode"],
        camera=row["camera"],
        src_dataset=row["src_dataset"],
        src_episode=row["src_episode"],
        frames=-(-(row["to_frame"] - row["from_frame"]) // stride),
        reason=", and ".join(reasons),
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _refuse_reencoding(reencoded: tuple[Reencoded, ...]) -> None:
    if reencoded:
        parts = dict.fromkeys(f"{r.clip}: {r.reason}" for r in reencoded)
        raise MediaError("clips that cannot be copied as they are", hint="without --no-reencode", parts=parts)


def _clip(camera: str, source: str, episode: int) -> str:
    return f'camera "{camera}", source "{source}", episode {episode}'


def _encodings(
    output_spec: OutputSpec, videos: dict[str, mp4.Video], uncut: list[dict[str, Any]]
) -> dict[str, mp4.Encoding]:
    """How each file that holds one of the clips is encoded again. Errors: MediaError, all together."""
    cameras = {
        (source, n): how.feature for source, takes in output_spec.taken.items() for n, how in takes.items()
    }
    found: dict[str, mp4.Encoding] = {}
    problems: dict[str, str] = {}
    for row in uncut:
        path, camera = row["video_file"], cameras[row["src_dataset"], row["camera"]]
        if path in found or path in problems or camera is None:
            continue
        try:
            found[path] = mp4.choose_encoding(videos[path], camera.info, lossless=camera.is_depth)
        except MediaError as error:
            problems[path] = f"{_clip(row['camera'], row['src_dataset'], row['src_episode'])}: {error}"
    if problems:
        raise MediaError(
            "clips that cannot be copied without frames of other episodes, nor encoded again",
            hint="leave these episodes out, keep their neighbours, or encode the videos another way first",
            parts=problems.values(),
        )
    return found


def _unreferenced(engine: Engine, videos: dict[str, mp4.Video]) -> int:
    rows = [{"video_file": path, "frames": video.frames} for path, video in videos.items()]
    engine.load("video_frames", pa.Table.from_pylist(rows, schema=_VIDEO_FRAMES))
    return int(engine.rows("layout/unreferenced")[0]["frames"])


def _looked_at(
    wanted: list[dict[str, Any]], rates: Mapping[str, Fraction], scratch: Path, *, threads: int
) -> tuple[dict[str, mp4.Video], list[dict[str, Any]]]:
    """Every wanted video file probed once, and the facts of every wanted clip in it.

    Units: `rates` are the fps of each source.
    """
    by_file = [(path, list(clips)) for path, clips in groupby(wanted, key=lambda c: c["video_file"])]
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda item: _look_at(item[0], item[1], rates, scratch), by_file))
    broken = [r for r in results if isinstance(r, list)]
    if broken:
        errors = [error for of_file in broken for error in of_file]
        family = MediaError if any(isinstance(e, MediaError) for e in errors) else SourceBroken
        raise family(
            f"{len(broken)} video file(s) cannot be used",
            hint="--skip-broken leaves their episodes out",
            parts=map(str, errors),
        )
    looked = [r for r in results if not isinstance(r, list)]
    videos = {path: video for (path, _), (video, _) in zip(by_file, looked, strict=True)}
    return videos, [piece for _, pieces in looked for piece in pieces]


def _look_at(
    path: str | None, clips: list[dict[str, Any]], rates: Mapping[str, Fraction], scratch: Path
) -> tuple[mp4.Video, list[dict[str, Any]]] | list[ComposeError]:
    """The file and its clips; or what is wrong with the file, or with each clip that is not in it."""
    if path is None:
        unnamed = SourceBroken("the episode list names no video file", hint="lecompose repair")
        return [_about(clip, unnamed) for clip in clips]
    try:
        video = mp4.probe(Path(path), scratch=scratch)
        _refuse_other_rate(video, rates[clips[0]["src_dataset"]])
    except ComposeError as error:
        return [_about(clips[0], error)]
    try:
        pieces = mp4.probe_clips(video, [(c["from_frame"], c["to_frame"]) for c in clips])
    except ComposeError as error:
        return list(_not_there(video, clips)) or [_about(clips[0], error)]
    facts = ("preroll", "postroll", "size_bytes", "compat_key", "closed_gop")
    return video, [
        {**clip, **{name: getattr(piece, name) for name in facts}}
        for clip, piece in zip(clips, pieces, strict=True)
    ]


def _not_there(video: mp4.Video, clips: list[dict[str, Any]]) -> Iterator[ComposeError]:
    for clip in clips:
        try:
            mp4.probe_clips(video, [(clip["from_frame"], clip["to_frame"])])
        except ComposeError as error:
            yield _about(clip, error)


def _about(clip: dict[str, Any], error: ComposeError) -> ComposeError:
    """The same error, which says whose clip it is about."""
    return type(error)(f"{_clip(clip['camera'], clip['src_dataset'], clip['src_episode'])}: {error}")


def _refuse_other_rate(video: mp4.Video, fps: Fraction) -> None:
    if video.frames > 1 and abs(video.fps / fps - 1) > _FPS_TOLERANCE:
        raise MediaError(
            f"the video runs at {float(video.fps):.3f} fps, the dataset at {float(fps):g}",
            hint="record or encode it again at the dataset's rate",
            path=video.path,
        )


def _refuse_too_many_files(engine: Engine, chunk_files: int) -> None:
    if chunk_files > MAX_INDEX:
        raise RequestError(
            f"--chunk-files {chunk_files}: readers order file-1000 before file-101", hint="1000"
        )
    worst = max((row["chunks"] for row in engine.rows("layout/chunks")), default=0)
    if worst > MAX_INDEX:
        raise RequestError(
            f"the output would need {worst} chunk folders, and readers order chunk-1000 before chunk-101",
            hint="larger --data-mb, --video-mb or --chunk-files",
        )


def jobs(rows: list[dict[str, Any]], *key: str) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """`rows`, sorted by `key` as SQL gave them, as one (key, rows) an output file."""
    return ((k, list(group)) for k, group in groupby(rows, key=lambda row: tuple(row[c] for c in key)))
