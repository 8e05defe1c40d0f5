"""The files of a folder that cannot be read, whatever they are of; that much needs no info.json."""

from pathlib import Path

from lecompose.checks.faults import Damage, Fault, as_damage, unreadable
from lecompose.concurrency import Workers
from lecompose.errors import MediaError, SourceBroken
from lecompose.files import mp4
from lecompose.files.clutter import glob_files
from lecompose.files.mp4.errors import NeedsRemux
from lecompose.files.parquet.damage import payload_bytes, read_footer


def find_unreadable(root: Path, workers: Workers) -> Damage:
    """Return every parquet and video file below `root` that cannot be read."""
    tables = workers.each(glob_files(root, "**/*.parquet"), lambda path: _table_fault(path, root))
    videos = workers.each(glob_files(root, "**/*.mp4"), _video_fault)
    return as_damage(*(fault for fault in (*tables, *videos) if fault is not None))


def _table_fault(path: Path, root: Path) -> Fault | None:
    try:
        payload_bytes(path)
        read_footer(path)
    except SourceBroken as error:
        in_meta = path.is_relative_to(root / "meta")
        return unreadable("metadata_readable" if in_meta else "data_readable", path, error)
    return None


def _video_fault(path: Path) -> Fault | None:
    try:
        mp4.probe(path)
    except (MediaError, SourceBroken) as error:
        # What only has to be remuxed is no fault.
        if not isinstance(error.__cause__, NeedsRemux):
            return unreadable("video_readable", path, error)
    return None
