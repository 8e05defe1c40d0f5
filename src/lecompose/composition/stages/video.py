"""Writes the mp4 files: sample tables rebuilt, media bytes moved by the kernel.

Only clips that cannot be copied without frames of others are decoded and encoded again, each by itself,
before any file is written.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lecompose import formats
from lecompose.composition.context import Run
from lecompose.composition.layout import Reencoded, jobs
from lecompose.errors import MediaError
from lecompose.files import mp4

_Span = tuple[str, int, int]
"""Video file, first frame, one past the last: a clip may stand in several outputs."""


@dataclass(frozen=True)
class _File:
    """One output video file and the runs of source frames that make it up, in order."""

    path: Path
    segments: list[dict[str, Any]]

    @property
    def size_bytes(self) -> int:
        return sum(int(s["size_bytes"]) for s in self.segments)

    @property
    def frames(self) -> int:
        return sum(int(s["frames"]) for s in self.segments)


@dataclass(frozen=True)
class _Clip:
    """One clip to be encoded again, and where it is wanted."""

    span: _Span
    size_bytes: int
    wanted: list[Reencoded]


def video(run: Run) -> None:
    """Write every video file of every output, one job a file.

    Errors: MediaError where a source cannot be read or does not land where the layout says; OutputUnwritable.
    """
    files = run.unfinished(list(_files(run)))
    clips = _clips(run)
    wanted = _wanted(run, clips, files)
    run.progress.stage("video", sum(f.size_bytes for f in files) + sum(c.size_bytes for c in wanted))
    # Of all clips, wanted or not: with other threads an encoder gives other bytes.
    threads = max(1, run.engine.threads // max(1, len(clips)))
    encoded = _encode(run, wanted, threads)
    run.workers.each(files, lambda file: _write_file(run, file, encoded))


def _files(run: Run) -> Iterator[_File]:
    rows = run.engine.rows("layout/segments")
    for (output, camera, _), segments in jobs(rows, "out_dataset", "camera", "file_number"):
        first = segments[0]
        name = formats.VIDEO_PATH.format(
            video_key=camera, chunk_index=first["chunk_index"], file_index=first["file_index"]
        )
        yield _File(run.folders[output] / name, segments)


def _clips(run: Run) -> list[_Clip]:
    """Every clip to be encoded, once."""
    rows = run.engine.rows("layout/reencoded")
    sizes: dict[_Span, int] = {}
    wanted: dict[_Span, list[Reencoded]] = defaultdict(list)
    for row, reencoded in zip(rows, run.layout.reencoded, strict=True):
        span = (row["video_file"], row["from_frame"], row["to_frame"])
        sizes[span] = row["size_bytes"]
        wanted[span].append(reencoded)
    return [_Clip(span, size, wanted[span]) for span, size in sizes.items()]


def _wanted(run: Run, clips: list[_Clip], files: list[_File]) -> list[_Clip]:
    """The clips of these files; the others are told as encoded, which they were by a run that was killed."""
    spans = {_span(segment) for file in files for segment in file.segments if segment["encoded"]}
    run.reencoded.extend(told for clip in clips if clip.span not in spans for told in clip.wanted)
    return [clip for clip in clips if clip.span in spans]


def _encode(run: Run, clips: list[_Clip], threads: int) -> dict[_Span, mp4.Video]:
    """The new video of each clip, as many at once as there are threads."""
    made = run.workers.each(clips, lambda clip: _encode_clip(run, clip, threads))
    for clip, encoded in zip(clips, made, strict=True):
        run.reencoded.extend(replace(wanted, psnr_db=encoded.psnr_db) for wanted in clip.wanted)
    return {clip.span: encoded.video for clip, encoded in zip(clips, made, strict=True)}


def _encode_clip(run: Run, clip: _Clip, threads: int) -> mp4.EncodedVideo:
    path, from_frame, to_frame = clip.span
    try:
        encoded = mp4.encode(
            mp4.Segment(run.layout.videos[path], from_frame, to_frame),
            run.layout.encodings[path],
            scratch=run.scratch,
            fps=run.output_spec.fps,
            stride=run.output_spec.resampling.strides[clip.wanted[0].src_dataset],
            threads=threads,
            on_frame=lambda: run.workers.advance(0),
        )
    except MediaError as error:
        raise MediaError(clip.wanted[0].clip, reason=error) from error
    run.count("frames_decoded", encoded.frames_decoded)
    run.count("frames_encoded", encoded.video.frames)
    run.workers.advance(clip.size_bytes)
    return encoded


def _write_file(run: Run, file: _File, encoded: dict[_Span, mp4.Video]) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    cuts = [_segment(run, row, encoded) for row in file.segments]
    written = mp4.concat(cuts, file.path, fps=run.output_spec.fps, on_bytes=run.workers.advance)
    _refuse_elsewhere(file, written)
    run.finish(file.path)
    if file.segments[0]["encoded"]:
        run.count("bytes_encoded", written.bytes_copied + written.bytes_remuxed)
    else:
        run.count("bytes_copied", written.bytes_copied)
        run.count("bytes_remuxed", written.bytes_remuxed)


def _segment(run: Run, row: dict[str, Any], encoded: dict[_Span, mp4.Video]) -> mp4.Segment:
    span = _span(row)
    if row["encoded"]:
        return mp4.Segment(encoded[span], 0, encoded[span].frames)
    return mp4.Segment(run.layout.videos[span[0]], *span[1:])


def _span(row: dict[str, Any]) -> _Span:
    return row["video_file"], row["src_from_frame"], row["src_to_frame"]


def _refuse_elsewhere(file: _File, written: mp4.WrittenVideo) -> None:
    """Errors: MediaError where a frame is not where the layout has it, or is of no episode."""
    planned = tuple(s["from_frame"] for s in file.segments)
    if (written.starts, written.frames) != (planned, file.frames):
        raise MediaError(
            f"{written.frames} frames landed at {written.starts[:5]}, the layout says {file.frames}"
            f" at {planned[:5]}; did a source change during the run?",
            path=file.path,
        )
