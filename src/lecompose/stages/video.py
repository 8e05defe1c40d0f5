"""Writes the mp4 files: sample tables rebuilt, media bytes moved by the kernel, nothing decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lecompose import formats, media
from lecompose.errors import MediaError
from lecompose.layout import jobs
from lecompose.run import Run


@dataclass(frozen=True)
class _File:
    """One output video file and the runs of source frames that make it up, in order."""

    path: Path
    segments: list[dict[str, Any]]

    @property
    def size_bytes(self) -> int:
        return sum(int(s["size_bytes"]) for s in self.segments)


def video(run: Run) -> None:
    """Write every video file of every output, one job a file.

    Errors: MediaError where a source cannot be read or does not land where the layout says; OutputUnwritable.
    """
    files = list(_files(run))
    run.progress.stage("video", sum(f.size_bytes for f in files))
    run.each(files, lambda file: _write_file(run, file))


def _files(run: Run) -> Iterator[_File]:
    rows = run.engine.rows("layout/segments")
    for (output, camera, _), segments in jobs(rows, "out_dataset", "camera", "file_number"):
        first = segments[0]
        name = formats.VIDEO_PATH.format(
            video_key=camera, chunk_index=first["chunk_index"], file_index=first["file_index"]
        )
        yield _File(run.folders[output] / name, segments)


def _write_file(run: Run, file: _File) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    videos = run.layout.videos
    cuts = [
        media.Segment(videos[s["video_file"]], s["src_from_frame"], s["src_to_frame"]) for s in file.segments
    ]
    written = media.concat(cuts, file.path, fps=run.target.fps, on_bytes=run.advance)
    planned = tuple(s["from_frame"] for s in file.segments)
    if written.starts != planned:
        raise MediaError(
            f"frames landed at {written.starts[:5]}, the layout says {planned[:5]};"
            f" did a source change during the run? ({file.path})"
        )
    run.count("files_written", 1)
    run.count("bytes_copied", written.bytes_copied)
    run.count("bytes_remuxed", written.bytes_remuxed)
