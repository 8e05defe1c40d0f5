"""Has the disk hold every file and folder of the outputs, so that a power cut after publish takes nothing."""

import os
from pathlib import Path

from lecompose.errors import OutputUnwritable
from lecompose.run import Run
from lecompose.staging import sync_file, sync_folder

# The disk is waited for, not the processor; file systems write many that wait together at once.
_THREADS = 16


def sync(run: Run) -> None:
    """Return when everything in the staging folders is on disk.

    Errors: OutputUnwritable, which a disk may say no sooner than now.
    """
    files: list[Path] = []
    folders: list[Path] = []
    for at, _, names in os.walk(run.staging.outputs):
        folders.append(Path(at))
        files += [Path(at, name) for name in names]
    sizes = {path: path.stat().st_size for path in files}
    run.progress.stage("sync", sum(sizes.values()))
    run.each(files, lambda path: _sync(run, path, sizes[path]), threads=_THREADS)
    run.each(folders, lambda path: _sync(run, path, 0), threads=_THREADS)


def _sync(run: Run, path: Path, size_bytes: int) -> None:
    try:
        (sync_file if size_bytes else sync_folder)(path)
    except OSError as error:
        raise OutputUnwritable(f"the disk did not take the output: {error.strerror}. ({path})") from error
    run.advance(size_bytes)
