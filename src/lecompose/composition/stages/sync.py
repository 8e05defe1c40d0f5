"""Has the disk hold every file and folder of the outputs, so that a power cut after publish takes nothing."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lecompose.composition.context import DISK_THREADS, Run
from lecompose.composition.destination import link_other_files
from lecompose.composition.in_place import list_own_files, list_strangers
from lecompose.errors import OutputUnwritable
from lecompose.files.fsync import sync_file, sync_folder


def begin_sync(run: Run) -> None:
    """Have the disk take what is written so far, while the processor does something else."""
    files, _ = _list_written(run)
    run.disk.begin(partial(_sync_path, sync_file), files)


def sync(run: Run) -> None:
    """Return when everything in the staging folders is on disk.

    Raises:
        OutputUnwritable: if the disk does not take it; it may say so no sooner than now.
    """
    _link_other_files(run)
    sizes, folders = _list_written(run)
    run.progress.stage("sync", sum(sizes.values()))
    run.disk.wait()

    def sync_one(path: Path) -> None:
        _sync_path(sync_file, path)
        run.workers.advance(sizes[path])

    run.workers.each(list(sizes), sync_one, threads=DISK_THREADS)
    run.workers.each(folders, partial(_sync_path, sync_folder), threads=DISK_THREADS)


def _list_written(run: Run) -> tuple[dict[Path, int], list[Path]]:
    """Return the files of the outputs, with their sizes in bytes, and the folders they are in."""
    files: list[Path] = []
    folders: list[Path] = []
    for at, _, names in os.walk(run.staging.outputs):
        folders.append(Path(at))
        files += [Path(at, name) for name in names]
    return {path: path.stat().st_size for path in files if not path.is_symlink()}, folders


def _link_other_files(run: Run) -> None:
    """A dataset that is edited in place leaves behind what was no part of it."""
    catalog, replaced = run.layout.catalog, run.layout.replaced
    own = {name for s in catalog.sources if s.name == replaced for name in list_own_files(catalog, s)}
    for folder, destination in run.moves.items() if run.in_place else ():
        try:
            link_other_files(destination, folder, among=list_strangers(destination, own))
        except OSError as error:
            raise OutputUnwritable("cannot keep what lies beside the dataset", reason=error) from error


def _sync_path(sync_one: Callable[[Path], None], path: Path) -> None:
    try:
        sync_one(path)
    except OSError as error:
        raise OutputUnwritable("the disk refused the output", reason=error.strerror, path=path) from error
