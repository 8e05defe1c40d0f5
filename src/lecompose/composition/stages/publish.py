"""Puts finished outputs in their places: one step each, or one for all of them; all or none."""

from lecompose.composition.context import Run
from lecompose.composition.in_place import refuse_changed
from lecompose.composition.resume import Move, move_back, move_into_place
from lecompose.errors import OutputExists, OutputUnwritable


def publish(run: Run) -> None:
    """Move every staging folder to its destination; a dataset that is replaced leaves with the staging.

    Killed anywhere, each destination holds the old dataset or the new one; where names cannot be exchanged
    it may be empty, and the next run puts the old one back.

    Raises:
        OutputExists: if something appeared there meanwhile; every destination is then as it was.
        OutputUnwritable: if a folder cannot be moved; likewise.
    """
    run.progress.stage("publish", 0)
    if run.stamps is not None:
        for destination in run.moves.values():
            refuse_changed(destination, run.stamps)
    now = None
    try:
        for now in run.staging.intend(run.moves, overwrite=run.overwrite, in_place=run.in_place):
            move_into_place(now)
    except BaseException as error:
        _move_back_all(run.staging.moves)
        if isinstance(error, OutputExists) or not isinstance(error, OSError):
            raise
        where = now.destination if now else run.staging.folder
        if isinstance(error, FileExistsError):
            raise OutputExists("something appeared at the destination during the run", path=where) from error
        raise OutputUnwritable("cannot put the output in place", reason=error, path=where) from error


def _move_back_all(moves: list[Move]) -> None:
    for move in reversed(moves):
        try:
            move_back(move)
        except OSError as error:
            raise OutputUnwritable(_describe_remains(move, error)) from error


def _describe_remains(move: Move, error: OSError) -> str:
    """Return what a person has to know who finds a destination changed after all."""
    old = f"the dataset that stood here is at {move.keeper}" if move.keeper else "the new dataset stays here"
    return f"cannot put the output in place, and cannot undo it: {error}; {old}. ({move.destination})"
