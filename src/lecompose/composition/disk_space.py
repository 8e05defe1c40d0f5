"""How much room outputs need, told before the first byte, and told again when it runs out all the same."""

import errno
import shutil
from pathlib import Path

from lecompose.composition.jobs import DataFileJob, VideoFileJob
from lecompose.composition.layout import Layout
from lecompose.errors import ComposeError, OutputUnwritable
from lecompose.files.links import can_link

# What a video's tables say of a frame, any file of itself, and a parquet footer of a column in a row group.
_BYTES_A_FRAME = 16
_BYTES_A_FILE = 4096
_BYTES_A_COLUMN = 160
# What meta/ has of an episode, and of each of its statistics: in the episodes files, as numbers.
_BYTES_AN_EPISODE = 512
_BYTES_A_NUMBER = 8

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_FULL_WORDS = ("No space left", "Disk quota exceeded", "File too large")


def estimate_bytes(layout: Layout, at: Path) -> int:
    """Return about how many bytes the outputs of a layout take at a place: what moves, and the tables around.

    Where values change on the way (a cast, other row groups, a clip encoded anew), it is the source's bytes.
    Files that are linked take none.
    """
    output_spec, totals = layout.output_spec, layout.totals.values()
    folder = next(path for path in (at, *at.absolute().parents) if path.exists())
    videos = [job for job in layout.video_jobs if not _is_linked(job, folder)]
    sizes = [job.size_bytes for job in layout.data_jobs if not _is_linked(job, folder)]
    sizes += [job.size_bytes for job in videos]
    moved = sum(sizes) + len(sizes) * _BYTES_A_FILE
    episodes = sum(each.episodes for each in totals)
    groups = episodes if output_spec.row_groups == "episode" else 0
    numbers = sum(f.stat_size for f in output_spec.features if f.has_stats) * len(
        output_spec.statistics.names
    )
    pictures = sum(job.frames for job in videos)
    tables = pictures * _BYTES_A_FRAME + groups * len(layout.schema) * _BYTES_A_COLUMN
    return int(moved + tables + episodes * (_BYTES_AN_EPISODE + numbers * _BYTES_A_NUMBER))


def _is_linked(job: DataFileJob | VideoFileJob, folder: Path) -> bool:
    source = job.clips[0].video_file if isinstance(job, VideoFileJob) else job.episodes[0].data_file
    return job.link and can_link(Path(source), folder)


def refuse_too_little(folder: Path, size_bytes: int) -> None:
    """Raise OutputUnwritable if the disk of `folder` has not that many bytes free."""
    free = free_bytes(folder)
    if free is not None and free < size_bytes:
        raise OutputUnwritable(
            f"not enough room: {format_size(size_bytes)} needed, {format_size(free)} free",
            hint="free some space, or choose another disk with -o",
            path=folder.parent,
        )


def free_bytes(folder: Path) -> int | None:
    """Return what may still be written; None where the file system does not say, or is not there."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total else None


def is_disk_full(error: BaseException) -> bool:
    """Return whether a full disk, a quota or a limit is behind an error."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in _FULL:
            return True
        said = found.reason or "" if isinstance(found, ComposeError) else str(found)
        if any(words in said for words in _FULL_WORDS):
            return True
        found = found.__cause__ or found.__context__
    return False


def format_size(size_bytes: int) -> str:
    """Return bytes as people compare them."""
    return f"{size_bytes / 1e9:,.2f} GB" if size_bytes >= 10**8 else f"{size_bytes / 1e6:,.3f} MB"
