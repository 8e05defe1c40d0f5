"""What a run did, or would do, as one value."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lecompose.composition.context import Run
from lecompose.composition.destination import Destinations
from lecompose.composition.disk_space import estimate_bytes
from lecompose.composition.layout import Layout, Reencoded

if TYPE_CHECKING:
    from lecompose.checks.repair.find_sound_episodes import Dropped


@dataclass(frozen=True)
class Output:
    """One dataset that was written."""

    path: Path
    episodes: int
    frames: int


@dataclass(frozen=True)
class OutputFile:
    """One file of an output. Units: its bytes on disk; before a run, those of the source rows or pictures."""

    output: str
    path: str
    episodes: int
    size_bytes: int


@dataclass(frozen=True)
class PlannedJobs:
    """Jobs that others carry out: how many, the folder that they are in, and their numbers at a scheduler."""

    folder: str
    jobs: int
    scheduled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a run did, or with `dry_run` would do.

    Units: bytes; seconds of wall time a stage. `bytes_linked` are of files that have a second name and were
    not copied, `bytes_copied` of files taken whole, `bytes_remuxed`
    of pictures moved unchanged into new containers, `bytes_spliced` of data columns moved as they are
    encoded, `bytes_encoded` of what was written anew: other data, and, in `bytes_encoded_video` alone, videos
    of the clips in `reencoded`, which could not be cut out otherwise. `frames_decoded` counts
    every picture decoded for these, also to measure how near they came. `frames_unreferenced` are
    pictures in the sources' videos that belong to no episode there, and stayed behind. `files_resumed`
    were found whole where a killed run had left them. `bytes_needed` is about what the outputs take.
    `dropped` are episodes of damaged sources that could not be saved. `planned` are the jobs of a run that is
    left to others: the rest of the report is then what they are going to do.
    """

    outputs: tuple[Output, ...]
    episodes: int
    frames: int
    files: tuple[OutputFile, ...]
    bytes_linked: int
    bytes_copied: int
    bytes_remuxed: int
    bytes_spliced: int
    bytes_encoded: int
    bytes_encoded_video: int
    frames_decoded: int
    frames_unreferenced: int
    files_resumed: int
    bytes_needed: int
    reencoded: tuple[Reencoded, ...]
    seconds: dict[str, float]
    notes: tuple[str, ...]
    dry_run: bool
    plan: pa.Table | None = None
    dropped: tuple["Dropped", ...] = ()
    planned: "PlannedJobs | None" = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON; the plan as a list of rows."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "outputs": [asdict(output) | {"path": str(output.path)} for output in self.outputs],
            "files": [asdict(file) for file in self.files],
            "reencoded": [_plain(clip) for clip in self.reencoded],
            "dropped": [asdict(episode) for episode in self.dropped],
            "planned": None if self.planned is None else asdict(self.planned),
            "plan": None if self.plan is None else self.plan.to_pylist(),
        }


def _plain(clip: Reencoded) -> dict[str, Any]:
    # JSON has no word for infinity: nothing was lost where psnr_db is null after a run.
    return asdict(clip) | {"psnr_db": None if clip.psnr_db == math.inf else clip.psnr_db}


def preview(layout: Layout, destinations: Destinations, *, seconds: dict[str, float]) -> Report:
    """Return the report of a run that has not happened, from the very jobs that it would carry out."""
    files = tuple(_list_output_files(layout))
    videos = sum(f.size_bytes for f in files if f.path.endswith(".mp4"))
    linked = sum(job.size_bytes for job in layout.video_jobs if job.link)
    linked_data = sum(job.size_bytes for job in layout.data_jobs if job.link)
    clips = (clip for job in layout.video_jobs for clip in job.clips)
    encoded = sum(clip.size_bytes for clip in clips if clip.encode is not None)
    data = sum(f.size_bytes for f in files) - videos
    return _make_report(
        layout,
        destinations,
        files=files,
        counted={
            "bytes_linked": linked + linked_data,
            "bytes_remuxed": videos - linked - encoded,
            "bytes_encoded": data - linked_data + encoded,
            "bytes_encoded_video": encoded,
        },
        seconds=seconds,
        plan=layout.plan.drop_columns("piece"),
    )


def report_run(run: Run, destinations: Destinations, *, seconds: dict[str, float]) -> Report:
    """Return the report of a run whose outputs are in place."""
    files = tuple(
        replace(file, size_bytes=(destinations.folders[file.output] / file.path).stat().st_size)
        for file in _list_output_files(run.layout)
    )
    found = _make_report(run.layout, destinations, files=files, counted=run.counted, seconds=seconds)
    reencoded = tuple(sorted(run.reencoded, key=lambda clip: (clip.output, clip.episode, clip.camera)))
    return replace(found, reencoded=reencoded, notes=(*found.notes, *run.staging.notes, *run.notes))


def _make_report(
    layout: Layout,
    destinations: Destinations,
    *,
    files: tuple[OutputFile, ...],
    counted: Mapping[str, int],
    seconds: dict[str, float],
    plan: pa.Table | None = None,
) -> Report:
    totals = layout.totals
    outputs = tuple(
        Output(folder, totals[name].episodes, totals[name].frames)
        for name, folder in destinations.folders.items()
    )
    return Report(
        outputs=outputs,
        episodes=sum(output.episodes for output in outputs),
        frames=sum(output.frames for output in outputs),
        files=files,
        bytes_linked=counted.get("bytes_linked", 0),
        bytes_copied=counted.get("bytes_copied", 0),
        bytes_remuxed=counted.get("bytes_remuxed", 0),
        bytes_spliced=counted.get("bytes_spliced", 0),
        bytes_encoded=counted.get("bytes_encoded", 0),
        bytes_encoded_video=counted.get("bytes_encoded_video", 0),
        frames_decoded=counted.get("frames_decoded", 0),
        frames_unreferenced=layout.unreferenced_frames,
        files_resumed=counted.get("files_resumed", 0),
        bytes_needed=estimate_bytes(layout, destinations.root),
        reencoded=layout.reencoded,
        seconds=seconds,
        notes=layout.notes,
        dry_run=plan is not None,
        plan=plan,
    )


def _list_output_files(layout: Layout) -> Iterator[OutputFile]:
    for output in layout.totals:
        for data in (job for job in layout.data_jobs if job.out_dataset == output):
            yield OutputFile(output, data.path, len(data.pieces), data.size_bytes)
        for video in (job for job in layout.video_jobs if job.out_dataset == output):
            yield OutputFile(output, video.path, video.episodes, video.size_bytes)
