"""Puts finished outputs in their places: one rename each, or one for all of them; all or none."""

import errno
from pathlib import Path

from lecompose.destination import keep_others
from lecompose.errors import OutputExists, OutputUnwritable
from lecompose.run import Run


def publish(run: Run) -> None:
    """Rename every staging folder to its destination; a dataset that is replaced leaves with the staging.

    Errors: OutputExists where something appeared there meanwhile; OutputUnwritable. Either way every
    destination is as it was.
    """
    run.progress.stage("publish", 0)
    undo: list[tuple[Path, Path]] = []
    for folder, destination in run.moves.items():
        try:
            if run.in_place:
                keep_others(destination, folder)
            if run.overwrite and destination.exists():
                _rename(destination, folder.with_name(f"{folder.name}.replaced"), undo)
            elif destination.exists():  # a rename would silently replace an empty folder
                raise FileExistsError(errno.EEXIST, "already there")
            _rename(folder, destination, undo)
        except OSError as error:
            _take_back(undo)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise OutputExists(
                    f"something appeared at the destination during the run. ({destination})"
                ) from error
            raise OutputUnwritable(f"cannot put the output in place: {error}. ({destination})") from error


def _rename(source: Path, target: Path, undo: list[tuple[Path, Path]]) -> None:
    source.rename(target)
    undo.append((target, source))


def _take_back(undo: list[tuple[Path, Path]]) -> None:
    for now, before in reversed(undo):
        now.rename(before)
