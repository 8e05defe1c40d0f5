"""Plan + output_spec → the jobs of a run: where every row and packet lands, before a byte is written."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from lecompose.composition.computed_features import ComputedFeature
from lecompose.composition.jobs import (
    ClipSpan,
    DataFileJob,
    EncodeClipJob,
    MeasurePicturesJob,
    VideoFileJob,
)
from lecompose.composition.layout.copy_or_encode import Reencoded, UncutClip
from lecompose.composition.layout.decide_cuts import decide_cuts
from lecompose.composition.layout.list_picture_jobs import list_picture_jobs
from lecompose.composition.layout.number_files import MIB, Item, number_files, refuse_too_many_files
from lecompose.composition.layout.picture_files import (
    describe_embedded,
    describe_empty,
    describe_odd_sizes,
    find_loose,
    refuse_pieces_of_empty,
)
from lecompose.composition.layout.place_clips import PlacedClip, PlacedClips, place_clips
from lecompose.composition.layout.place_episodes import place_episodes
from lecompose.composition.layout.probe_clips import Probed, probe_clips
from lecompose.composition.layout.unify_tasks import UnifiedTasks, unify_tasks
from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset import arrow_schema
from lecompose.dataset.catalog import Catalog
from lecompose.engine import Engine
from lecompose.files import mp4

__all__ = [
    "MIB",
    "Item",
    "Layout",
    "PlacedClip",
    "Reencoded",
    "Totals",
    "lay_out",
    "number_files",
]

_EPISODES = pa.schema(
    [
        ("out_dataset", pa.string()),
        ("out_episode", pa.int64()),
        ("src_dataset", pa.string()),
        ("src_episode", pa.int64()),
        ("is_whole", pa.bool_()),
        ("length", pa.int64()),
        ("from_index", pa.int64()),
        ("to_index", pa.int64()),
        ("chunk_index", pa.int64()),
        ("file_index", pa.int64()),
    ]
)


_PLAN = pa.schema(
    [
        ("out_dataset", pa.string()),
        ("out_episode", pa.int64()),
        ("piece", pa.int64()),
        ("src_dataset", pa.string()),
        ("src_episode", pa.int64()),
        ("from_frame", pa.int64()),
        ("to_frame", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Totals:
    """How much goes into an output."""

    episodes: int
    frames: int


@dataclass(frozen=True)
class Layout:
    """A run decided to the byte.

    `data_jobs` are in the order of outputs and files. `clips` are placed by `place_clips`, `videos` are the
    source files that they are in. `uncut` are the clips that cannot be copied; `encode_jobs` encode each of
    them once. `unreferenced_frames` counts frames in `videos` that no episode of their source refers to.
    `replaced` is the source whose place an output takes.
    """

    catalog: Catalog
    output_spec: OutputSpec
    schema: pa.Schema
    tasks: UnifiedTasks
    data_jobs: tuple[DataFileJob, ...]
    clips: PlacedClips
    videos: Mapping[str, mp4.Video]
    uncut: tuple[UncutClip, ...]
    encode_jobs: Mapping[ClipSpan, EncodeClipJob]
    unreferenced_frames: int
    replaced: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def engine(self) -> Engine:
        return self.catalog.engine

    @property
    def video_jobs(self) -> tuple[VideoFileJob, ...]:
        return self.clips.jobs

    @property
    def picture_jobs(self) -> tuple[MeasurePicturesJob, ...]:
        """The jobs that measure the pictures of files that are written, where that is wanted."""
        return tuple(list_picture_jobs(self.output_spec, self.data_jobs, self.clips))

    @cached_property
    def totals(self) -> dict[str, Totals]:
        """How much goes into each output."""
        totals: dict[str, Totals] = {}
        for job in self.data_jobs:
            so_far = totals.get(job.out_dataset, Totals(0, 0))
            totals[job.out_dataset] = Totals(so_far.episodes + len(job.pieces), so_far.frames + job.rows)
        return totals

    @cached_property
    def reencoded(self) -> tuple[Reencoded, ...]:
        """The clips that are encoded again, by outputs, cameras and episodes."""
        return tuple(clip.as_reencoded() for clip in self.uncut)

    @cached_property
    def reencoded_by_span(self) -> dict[ClipSpan, list[Reencoded]]:
        """The same by the source frames that they are: a clip may stand in several outputs."""
        by_span: dict[ClipSpan, list[Reencoded]] = {}
        for clip, reencoded in zip(self.uncut, self.reencoded, strict=True):
            by_span.setdefault(clip.span, []).append(reencoded)
        return by_span

    def data_jobs_of(self, output: str) -> list[DataFileJob]:
        """Return the jobs that write an output's data files."""
        return [job for job in self.data_jobs if job.out_dataset == output]

    @property
    def plan(self) -> pa.Table:
        """The plan: which frames of which episode of which source each output episode is."""
        rows = [
            (
                *(job.out_dataset, piece.out_episode, number, piece.src_dataset, piece.src_episode),
                *(piece.from_frame, piece.from_frame + piece.src_length),
            )
            for job in self.data_jobs
            for pieces in job.pieces
            for number, piece in enumerate(pieces)
        ]
        return _make_table(rows, _PLAN)

    @cached_property
    def episodes(self) -> pa.Table:
        """Every output episode in order: where its first piece comes from, its index range, its data file."""
        rows = [
            (
                *(job.out_dataset, first.out_episode, first.src_dataset, first.src_episode),
                first.is_whole and len(pieces) == 1,
                *(length, first.from_index, first.from_index + length),
                *(job.chunk_index, job.file_index),
            )
            for job in self.data_jobs
            for pieces, length in zip(job.pieces, job.lengths, strict=True)
            for first in pieces[:1]
        ]
        return _make_table(rows, _EPISODES)


def _make_table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = [pa.array(column, f.type) for column, f in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)


def lay_out(
    catalog: Catalog,
    output_spec: OutputSpec,
    *,
    scratch: Path,
    notes: tuple[str, ...] = (),
    reencode: bool = True,
    computed: Sequence[ComputedFeature] = (),
    repaired_roots: Mapping[str, Path] | None = None,
    by_number: Collection[str] = (),
    replaced: Path | None = None,
) -> Layout:
    """Lay out the relation `plan`. Video files are probed, nothing is decoded or written.

    Where the first frames of clips are to be encoded in front of others, encoders are tried in `scratch`.

    `computed` are the output_spec's features that no source has. `repaired_roots` are the folders of sources
    that were repaired, and are read in another place. Frames of the sources `by_number` are matched with rows
    by their number, whatever the rate of their videos. `replaced` is the folder of a source that the output
    replaces, whose files it may go on using.

    Raises:
        SourceBroken: if data files do not hold what is declared, or videos or pictures are missing.
        MediaError: if videos are unreadable or too short; if clips would have to be encoded again and cannot,
            or must not because `reencode` is off.
        RequestError: if the limits would need more files than readers can order.
    """
    engine = catalog.engine
    schema = arrow_schema.data_schema(catalog, output_spec.columns, output_spec.feature_map)
    tasks = unify_tasks(catalog, output_spec)
    loose = find_loose(catalog, output_spec, repaired_roots)
    gives_way = next((s.name for s in catalog.sources if replaced and s.root.resolve() == replaced), None)
    data_jobs = place_episodes(
        engine, output_spec, tasks, schema, computed=computed, loose=loose, replaced=gives_way
    )
    refuse_pieces_of_empty(loose, data_jobs)
    found = probe_clips(
        catalog, output_spec, scratch, by_number=by_number, repaired=(repaired_roots or {}).keys()
    )
    probed = found.files
    videos = {str(clips[0][0].video_file): video for video, clips in probed}
    cut = decide_cuts(engine, output_spec, probed, videos, reencode=reencode, scratch=scratch)
    clips = place_clips(
        output_spec, cut.ordered, cut.encode_jobs, _find_linkable(catalog, output_spec, videos, gives_way)
    )
    chunks = {job.chunk_index for job in data_jobs} | {job.chunk_index for job in clips.jobs}
    refuse_too_many_files(chunks, chunk_files=output_spec.limits.chunk_files)
    return Layout(
        catalog,
        output_spec,
        schema,
        tasks,
        data_jobs,
        clips,
        videos,
        cut.uncut,
        cut.encode_jobs,
        unreferenced_frames=_count_unreferenced(engine, videos),
        replaced=gives_way,
        notes=(
            *(*notes, *output_spec.notes, *tasks.notes, *found.notes, *describe_embedded(loose)),
            *_warnings(videos),
            *_other_sizes(output_spec, probed),
            *describe_odd_sizes(catalog, output_spec),
            *describe_empty(loose),
            *_longer_videos(catalog, probed, repaired_roots or {}),
        ),
    )


def _find_linkable(
    catalog: Catalog, output_spec: OutputSpec, videos: Mapping[str, mp4.Video], replaced: str | None
) -> dict[str, int]:
    """Return how many frames the video files have that may be linked: those that lie in a source themselves.

    What a symbolic link leads to is somebody else's, a download cache's maybe. Unless links are asked for,
    only files of the source that is `replaced` may be.
    """
    linked = [s for s in catalog.sources if output_spec.limits.link_videos or s.name == replaced]
    roots = [(f"{source.root}{os.sep}", f"{source.root.resolve()}{os.sep}") for source in linked]
    return {
        path: video.frames
        for path, video in videos.items()
        if mp4.may_link(video, output_spec.fps)
        and any(path.startswith(root) and os.path.realpath(path).startswith(real) for root, real in roots)
    }


def _warnings(videos: Mapping[str, mp4.Video]) -> Iterator[str]:
    for path, video in videos.items():
        yield from (f"{warning}. ({path})" for warning in video.warnings)


def _other_sizes(output_spec: OutputSpec, probed: Iterable[Probed]) -> Iterator[str]:
    """Yield a note for each camera of which some videos are of another size than its first one."""
    sizes = {camera.name: camera.picture_shape[:2] for camera in output_spec.cameras}
    odd: dict[str, list[mp4.Video]] = {}
    for video, clips in probed:
        camera = clips[0][0].camera
        if (video.height, video.width) != sizes[camera]:
            odd.setdefault(camera, []).append(video)
    for camera, videos in odd.items():
        height, width = sizes[camera]
        first = videos[0]
        yield (
            f'camera "{camera}": {len(videos)} of its videos are not {width} × {height} as its first one is,'
            f" but {first.width} × {first.height} or others; LeRobot cannot batch them. ({first.path})"
        )


def _longer_videos(
    catalog: Catalog, probed: Iterable[Probed], repaired_roots: Mapping[str, Path]
) -> Iterator[str]:
    """Yield a note for each source of v2.x and camera with videos that are longer than their episodes.

    There each episode has its own video: what is too long may be another episode's.
    """
    own = {source.name for source in catalog.sources if not source.is_v3}
    own |= {name for name, root in repaired_roots.items() if not (root / "meta/episodes").exists()}
    longer: dict[tuple[str, str], list[str]] = {}
    for video, clips in probed:
        clip = clips[0][0]
        rows = clip.to_frame - clip.from_frame
        if clip.src_dataset in own and clip.is_whole and len(clips) == 1 and video.frames > rows:
            found = f"episode {clip.src_episode} has {rows} rows, its video {video.frames} frames"
            longer.setdefault((clip.src_dataset, clip.camera), []).append(found)
    for (source, camera), told in longer.items():
        more = f", and so on for {len(told)} episodes; are these their videos?" if len(told) > 1 else ""
        yield f'source "{source}", camera "{camera}": {told[0]}{more or "; is it its video?"}'


def _count_unreferenced(engine: Engine, videos: Mapping[str, mp4.Video]) -> int:
    """Return how many frames of the videos no episode of their source refers to, planned or not."""
    if not videos:
        return 0
    frames = [video.frames for video in videos.values()]
    return int(engine.value("layout/unreferenced", video_files=list(videos), frames=frames))
